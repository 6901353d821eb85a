package apply

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
)

// owned is metadata of what istiod injected, with a controller; none for an
// empty kind.
func owned(name, kind, owner string) metav1.ObjectMeta {
	yes := true
	out := metav1.ObjectMeta{
		Name: name, Namespace: "shop", UID: types.UID("uid-" + name), Labels: map[string]string{injectedLabel: "x"},
	}
	if kind != "" {
		out.OwnerReferences = []metav1.OwnerReference{{Kind: kind, Name: owner, UID: types.UID("uid-" + owner), Controller: &yes}}
	}
	return out
}

func pod(name, kind, owner string) *corev1.Pod {
	return &corev1.Pod{ObjectMeta: owned(name, kind, owner)}
}

func replicaSet(name, kind, owner string) *appsv1.ReplicaSet {
	return &appsv1.ReplicaSet{ObjectMeta: owned(name, kind, owner)}
}

// TestInjectedWorkloads finds what rolls out the pods with a proxy, once each.
func TestInjectedWorkloads(t *testing.T) {
	t.Parallel()
	plain := pod("plain", "ReplicaSet", "web-1")
	plain.Labels = nil
	unlabelled := replicaSet("old-1", "Deployment", "old")
	unlabelled.Labels = nil
	going := pod("bare", "", "")
	going.DeletionTimestamp, going.Finalizers = &metav1.Time{Time: time.Unix(1, 0)}, []string{"x"}
	for name, tc := range map[string]struct {
		objects   []runtime.Object
		workloads []string
		loose     []string
	}{
		"nothing is injected": {[]runtime.Object{plain}, nil, nil},
		"a Deployment through its ReplicaSet, once for all pods": {
			[]runtime.Object{replicaSet("web-1", "Deployment", "web"), pod("web-1-a", "ReplicaSet", "web-1"), pod("web-1-b", "ReplicaSet", "web-1")},
			[]string{"Deployment shop/web"},
			nil,
		},
		"a ReplicaSet from before the label": {
			[]runtime.Object{unlabelled, pod("old-1-a", "ReplicaSet", "old-1")},
			[]string{"Deployment shop/old"},
			nil,
		},
		"sets and daemons, sorted": {
			[]runtime.Object{pod("db-0", "StatefulSet", "db"), pod("agent-x", "DaemonSet", "agent")},
			[]string{"DaemonSet shop/agent", "StatefulSet shop/db"},
			nil,
		},
		"a pod whose ReplicaSet has gone, which follows it": {
			[]runtime.Object{pod("gateway-1-a", "ReplicaSet", "gateway-1"), pod("db-0", "StatefulSet", "db")},
			[]string{"StatefulSet shop/db"},
			nil,
		},
		"a pod that is being deleted": {[]runtime.Object{going}, nil, nil},
		"pods that nothing rolls out": {
			[]runtime.Object{pod("bare", "", ""), pod("job-x", "Job", "job"), replicaSet("alone", "", ""), pod("alone-x", "ReplicaSet", "alone")},
			nil,
			[]string{"shop/alone-x", "shop/bare", "shop/job-x"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			workloads, loose, err := InjectedWorkloads(t.Context(), fake.NewClientset(tc.objects...))
			if err != nil {
				t.Fatal(err)
			}
			var names []string
			for _, one := range workloads {
				names = append(names, one.String())
			}
			if diff := cmp.Diff(tc.workloads, names); diff != "" {
				t.Errorf("workloads (-want +got)\n%s", diff)
			}
			if diff := cmp.Diff(tc.loose, loose); diff != "" {
				t.Errorf("loose (-want +got)\n%s", diff)
			}
		})
	}
}

// TestAReplicaSetThatCannotBeRead is an error: what must restart would be missed.
func TestAReplicaSetThatCannotBeRead(t *testing.T) {
	t.Parallel()
	kube := fake.NewClientset(pod("web-1-a", "ReplicaSet", "web-1"))
	kube.PrependReactor("get", "replicasets", func(clienttesting.Action) (bool, runtime.Object, error) {
		return true, nil, apierrors.NewForbidden(schema.GroupResource{Group: "apps", Resource: "replicasets"}, "web-1", nil)
	})
	if _, _, err := InjectedWorkloads(t.Context(), kube); err == nil {
		t.Error("no error for a pod whose ReplicaSet cannot be read")
	}
}
