package watch

import (
	"testing"

	"github.com/eastwest-mesh/eastwest/api/v1alpha1"
)

// TestAnExportOfAClusterThatTakesNoPartCountsForNobody, until the mark is taken off.
func TestAnExportOfAClusterThatTakesNoPartCountsForNobody(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, serving)
		marked, plain := kubeExport("shop", "cart"), kubeExport("shop", "cart")
		marked.Annotations = map[string]string{v1alpha1.AnnotationOff: "true"}
		r.put(kubeService("shop", "cart"), kubeSlice("shop", "cart-1", "cart", 2), plain)
		r.want(t, "ready shop/cart=2")
		r.put(marked)
		r.want(t, "ready")
		r.put(plain)
		r.want(t, "ready shop/cart=2")
		inGKE := gkeExport("shop", "cart")
		inGKE.Annotations = marked.Annotations
		r.put(marked, inGKE)
		r.want(t, "ready")
	})
}

// TestWhereNoServiceExportCountsThePolicyDoes: the agent's own configuration holds.
func TestWhereNoServiceExportCountsThePolicyDoes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, func(api *fakeAPI, o *Options) {
			o.NoServiceExports = true
			o.Exports = []v1alpha1.ExportRule{{Namespace: "shop", Name: "pay"}}
			api.shop(3)
		})
		r.put(kubeService("shop", "pay"))
		r.want(t, "ready shop/pay=0")
		r.put(kubeExport("shop", "cart"))
		r.want(t, "ready shop/pay=0")
	})
}
