package member

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	kubefake "k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"

	"github.com/eastwest-mesh/eastwest/api/v1alpha1"
)

// TestWhoElseOwnsADialect: by what runs and what is switched on, and not by what is
// merely there.
func TestWhoElseOwnsADialect(t *testing.T) {
	t.Parallel()
	none := int32(0)
	deployment := func(namespace, name string, replicas *int32) runtime.Object {
		return &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, Spec: appsv1.DeploymentSpec{Replicas: replicas}}
	}
	cilium := func(value string) runtime.Object {
		return &corev1.ConfigMap{
			ObjectMeta: metav1.ObjectMeta{Namespace: "kube-system", Name: "cilium-config"}, Data: map[string]string{"clustermesh-enable-mcs-api": value},
		}
	}
	for name, tc := range map[string]struct {
		there []runtime.Object
		want  []v1alpha1.ForeignDialect
	}{
		"nobody":                    {nil, nil},
		"GKE":                       {[]runtime.Object{deployment("gke-mcs", "gke-mcs-importer", nil)}, []v1alpha1.ForeignDialect{{Group: v1alpha1.MCSGKE, Owner: "GKE"}}},
		"GKE's that was turned off": {[]runtime.Object{deployment("gke-mcs", "gke-mcs-importer", &none)}, nil},
		"Cilium":                    {[]runtime.Object{cilium("true")}, []v1alpha1.ForeignDialect{{Group: v1alpha1.MCSUpstream, Owner: "Cilium"}}},
		"Cilium without the API":    {[]runtime.Object{cilium("false")}, nil},
		"all of them": {
			[]runtime.Object{
				cilium("true"), deployment("gke-mcs", "gke-mcs-importer", nil), deployment("submariner-operator", "submariner-lighthouse-agent", nil),
			},
			[]v1alpha1.ForeignDialect{{Group: v1alpha1.MCSGKE, Owner: "GKE"}, {Group: v1alpha1.MCSUpstream, Owner: "Cilium, Submariner"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := &Member{Kube: kubefake.NewClientset(tc.there...)}
			got, err := m.ForeignDialects(t.Context())
			if diff := cmp.Diff(tc.want, got); diff != "" || err != nil {
				t.Errorf("%v (-want +got)\n%s", err, diff)
			}
		})
	}
}

// TestWhoCannotBeSeenIsNotAbsent: what cannot be read stops the run.
func TestWhoCannotBeSeenIsNotAbsent(t *testing.T) {
	t.Parallel()
	kube := kubefake.NewClientset()
	kube.PrependReactor("get", "configmaps", func(clienttesting.Action) (bool, runtime.Object, error) {
		return true, nil, errors.New("forbidden")
	})
	if _, err := (&Member{Kube: kube}).ForeignDialects(t.Context()); err == nil {
		t.Error("no error")
	}
}
