package watch

import (
	"testing"

	"github.com/eastwest-mesh/eastwest/api/v1alpha1"
	"github.com/eastwest-mesh/eastwest/internal/fakeapi"
)

// TestAnExportOfAClusterThatTakesNoPartCountsForNobody, until the mark is taken off.
func TestAnExportOfAClusterThatTakesNoPartCountsForNobody(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, serving)
		marked, plain := kubeExport("shop", "cart"), kubeExport("shop", "cart")
		marked.Annotations = map[string]string{v1alpha1.AnnotationOff: "true"}
		r.Put(kubeService("shop", "cart"), kubeSlice("shop", "cart-1", "cart", 2), plain)
		r.want(t, "ready shop/cart=2")
		r.Put(marked)
		r.want(t, "ready")
		r.Put(plain)
		r.want(t, "ready shop/cart=2")
		inGKE := gkeExport("shop", "cart")
		inGKE.Annotations = marked.Annotations
		r.Put(marked, inGKE)
		r.want(t, "ready")
	})
}

// TestWhereNoServiceExportCountsThePolicyDoes: the agent's own configuration holds.
func TestWhereNoServiceExportCountsThePolicyDoes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, func(api *fakeapi.Server, o *Options) {
			o.NoServiceExports = true
			o.Exports = []v1alpha1.ExportRule{{Namespace: "shop", Name: "pay"}}
			shop(api, 3)
		})
		r.Put(kubeService("shop", "pay"))
		r.want(t, "ready shop/pay=0")
		r.Put(kubeExport("shop", "cart"))
		r.want(t, "ready shop/pay=0")
	})
}
