package discovery

import (
	"context"
	"net/http"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/dynamic"

	"github.com/eastwest-mesh/eastwest/api/v1alpha1"
	"github.com/eastwest-mesh/eastwest/discovery/status"
)

// judgeWrite is I6: whoever writes to the own cluster holds the lease. The lease itself
// is how replicas find out who does. It is called with the server's lock.
func (w *world) judgeWrite(r *http.Request) {
	if strings.Contains(r.URL.Path, "/leases") {
		return
	}
	if who, holder := r.UserAgent(), w.holderLocked(); who != holder {
		w.violate("I6: %s writes %s %s, and %q holds the lease", who, r.Method, r.URL.Path, holder)
	}
}

// holderLocked is the replica that holds the lease.
func (w *world) holderLocked() (holder string) {
	if lease, ok := w.own.api.Objects[leasePath][v1alpha1.AgentNamespace+"/"+leaseName].(*unstructured.Unstructured); ok {
		holder, _, _ = unstructured.NestedString(lease.Object, "spec", "holderIdentity")
	}
	return holder
}

// tryToWrite has every replica change something by each of its ways to the own cluster,
// whatever it thinks of the lease. It comes
// through for who has it, and for nobody else.
func (w *world) tryToWrite(what string) {
	holder := ""
	w.own.api.Do(func() { holder = w.holderLocked() })
	for _, r := range w.replicas {
		if r.isolated {
			continue
		}
		for way, err := range map[string]error{
			"typed":   r.agent.kube.CoreV1().Secrets(v1alpha1.AgentNamespace).Delete(context.Background(), "nothing", metav1.DeleteOptions{}),
			"dynamic": updateNothing(r.agent.dynamic),
		} {
			if through := apierrors.IsNotFound(err); through != (r.pod == holder) {
				w.violate("I6: %s: a %s write of %s, while %q holds the lease: %v", what, way, r.pod, holder, err)
			}
		}
	}
}

// updateNothing changes an object that there is not.
func updateNothing(client dynamic.Interface) error {
	object := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "eastwest.dev/v1alpha1", "kind": "MemberCluster", "metadata": map[string]any{"name": "nothing"},
	}}
	_, err := client.Resource(status.Resource).Update(context.Background(), object, metav1.UpdateOptions{})
	return err
}
