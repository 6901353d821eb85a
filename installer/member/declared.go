package member

import (
	"context"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// apiGateways is the resource of the Gateway API's Gateway.
var apiGateways = schema.GroupVersionResource{Group: "gateway.networking.k8s.io", Version: "v1", Resource: "gateways"}

// remoteClass is the class of Gateways that only declare an address.
const remoteClass = "istio-remote"

func readDeclared(ctx context.Context, m *Member, facts *Facts) error {
	list, err := m.Dynamic.Resource(apiGateways).List(ctx, metav1.ListOptions{LabelSelector: NetworkLabel})
	if ignoreNotFound(err) != nil && !meta.IsNoMatchError(err) {
		return err
	}
	if err != nil {
		return nil
	}
	for _, item := range list.Items {
		facts.Declared = append(facts.Declared, declaredOf(item)...)
	}
	return nil
}

// declaredOf lists the addresses which a Gateway declares; none where it is of
// another class.
func declaredOf(item unstructured.Unstructured) []Declared {
	if class, _, _ := unstructured.NestedString(item.Object, "spec", "gatewayClassName"); class != remoteClass {
		return nil
	}
	var declared []Declared
	addresses, _, _ := unstructured.NestedSlice(item.Object, "spec", "addresses")
	listeners, _, _ := unstructured.NestedSlice(item.Object, "spec", "listeners")
	for _, address := range addresses {
		for _, listener := range listeners {
			where, isAddress := address.(map[string]any)
			port, isListener := listener.(map[string]any)
			if !isAddress || !isListener {
				continue
			}
			one := Declared{Network: item.GetLabels()[NetworkLabel]}
			one.Address, _, _ = unstructured.NestedString(where, "value")
			one.Port, _, _ = unstructured.NestedInt64(port, "port")
			declared = append(declared, one)
		}
	}
	return declared
}
