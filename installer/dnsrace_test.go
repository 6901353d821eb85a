package installer

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	dynamicfake "k8s.io/client-go/dynamic/fake"
	clienttesting "k8s.io/client-go/testing"

	"github.com/eastwest-mesh/eastwest/installer/apply"
	"github.com/eastwest-mesh/eastwest/installer/clusterdns"
	"github.com/eastwest-mesh/eastwest/internal/problem"
)

// rigOf lets a member's applier write to what onUpdate stands for.
func rigOf(s *site, onUpdate func(text string) error) {
	dynamic := s.member.Dynamic.(*dynamicfake.FakeDynamicClient)
	dynamic.PrependReactor("update", "configmaps", func(action clienttesting.Action) (bool, runtime.Object, error) {
		object := action.(clienttesting.UpdateAction).GetObject().(*unstructured.Unstructured)
		text, _, _ := unstructured.NestedString(object.Object, "data", "Corefile")
		return true, object, onUpdate(text)
	})
	mapper := meta.NewDefaultRESTMapper(nil)
	mapper.Add(corev1.SchemeGroupVersion.WithKind("ConfigMap"), meta.RESTScopeNamespace)
	s.applier = apply.New(apply.Options{Cluster: s.name(), Dynamic: dynamic, Mapper: mapper})
}

var errRaced = apierrors.NewConflict(schema.GroupResource{Resource: "configmaps"}, "coredns", nil)

// TestWhoeverWasFasterKeepsWhatHeWrote: an edit that is made meanwhile is read, and
// ours is made upon it.
func TestWhoeverWasFasterKeepsWhatHeWrote(t *testing.T) {
	t.Parallel()
	coredns := inKubeSystem("coredns", map[string]string{"Corefile": corefile})
	text := clusterdnsPointed(t, coredns, clusterdns.Target{Zone: clusterZone, Servers: []string{"10.96.0.53"}})
	s := dnsMember(inKubeSystem("coredns", map[string]string{"Corefile": text}))
	var wrote []string
	rigOf(s, func(text string) error {
		if wrote = append(wrote, text); len(wrote) > 1 {
			return nil
		}
		maps := s.member.Kube.CoreV1().ConfigMaps("kube-system")
		now, err := maps.Get(t.Context(), "coredns", metav1.GetOptions{})
		if err != nil {
			return err
		}
		now.Data["Corefile"] = "# theirs\n" + now.Data["Corefile"]
		if _, err := maps.Update(t.Context(), now, metav1.UpdateOptions{}); err != nil {
			return err
		}
		return errRaced
	})
	in := &Installer{sites: []*site{s}}
	if err := in.restoreDNS(t.Context(), s); err != nil || in.Err() != nil {
		t.Fatal(err, in.Err())
	}
	if len(wrote) != 2 || wrote[0] != corefile || wrote[1] != "# theirs\n"+corefile {
		t.Errorf("wrote %q", wrote)
	}
}

// TestARaceThatNobodyWinsEnds: the member fails, and says why.
func TestARaceThatNobodyWinsEnds(t *testing.T) {
	t.Parallel()
	coredns := inKubeSystem("coredns", map[string]string{"Corefile": corefile})
	text := clusterdnsPointed(t, coredns, clusterdns.Target{Zone: clusterZone, Servers: []string{"10.96.0.53"}})
	s := dnsMember(inKubeSystem("coredns", map[string]string{"Corefile": text}))
	tries := 0
	rigOf(s, func(string) error { tries++; return errRaced })
	err := (&Installer{sites: []*site{s}}).restoreDNS(t.Context(), s)
	if !apply.Raced(err) || tries != maxRaces || problem.ExitCode(err) != problem.ExitCluster {
		t.Errorf("%d tries, %v", tries, err)
	}
}
