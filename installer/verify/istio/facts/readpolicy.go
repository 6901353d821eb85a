package facts

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

const (
	networking = "networking.istio.io"
	security   = "security.istio.io"
)

// policies are the kinds of policy by how they are called in a message.
func (r Reader) policies() map[string]func(context.Context, *Cluster) error {
	return map[string]func(context.Context, *Cluster) error{
		"PeerAuthentications": func(ctx context.Context, c *Cluster) (err error) {
			c.PeerAuthentications, err = readPolicies(ctx, r, c, security, "peerauthentications",
				func(p *PeerAuthentication, o Object) { p.Object = o })
			return err
		},
		"AuthorizationPolicies": func(ctx context.Context, c *Cluster) (err error) {
			c.AuthorizationPolicies, err = readPolicies(ctx, r, c, security, "authorizationpolicies",
				func(p *AuthorizationPolicy, o Object) { p.Object = o })
			return err
		},
		"DestinationRules": func(ctx context.Context, c *Cluster) (err error) {
			c.DestinationRules, err = readPolicies(ctx, r, c, networking, "destinationrules",
				func(p *DestinationRule, o Object) { p.Object = o })
			return err
		},
		"Sidecars": func(ctx context.Context, c *Cluster) (err error) {
			c.Sidecars, err = readPolicies(ctx, r, c, networking, "sidecars",
				func(p *Sidecar, o Object) { p.Object = o })
			return err
		},
	}
}

// readPolicies lists one kind where it can apply to the verification: its own
// namespace and the root namespaces, from where a policy is mesh-wide.
func readPolicies[T any](ctx context.Context, r Reader, c *Cluster, group, resource string, name func(*T, Object)) ([]T, error) {
	namespaces := []string{r.Namespace, r.IstioNamespace}
	for _, mesh := range c.Meshes {
		namespaces = append(namespaces, mesh.RootNamespace)
	}
	slices.Sort(namespaces)
	var all []T
	for _, namespace := range slices.Compact(namespaces) {
		items, err := r.list(ctx, group, resource, namespace)
		if err != nil {
			return nil, err
		}
		for _, item := range items {
			var one T
			if err := specOf(item, &one); err != nil {
				return nil, err
			}
			name(&one, Object{item.GetNamespace(), item.GetName()})
			all = append(all, one)
		}
	}
	return all, nil
}

// list tries the versions a group has had, newest first. A kind that is not
// installed has no objects.
func (r Reader) list(ctx context.Context, group, resource, namespace string) ([]unstructured.Unstructured, error) {
	for _, version := range []string{"v1", "v1beta1", "v1alpha3"} {
		gvr := schema.GroupVersionResource{Group: group, Version: version, Resource: resource}
		list, err := r.Dynamic.Resource(gvr).Namespace(namespace).List(ctx, metav1.ListOptions{})
		if apierrors.IsNotFound(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		return list.Items, nil
	}
	return nil, nil
}

func specOf(item unstructured.Unstructured, into any) error {
	data, err := json.Marshal(item.Object["spec"])
	if err == nil {
		err = json.Unmarshal(data, into)
	}
	if err != nil {
		return fmt.Errorf("decode %s %s/%s: %w", item.GetKind(), item.GetNamespace(), item.GetName(), err)
	}
	return nil
}

// readExposures reads Gateway objects of every namespace: istiod does too.
func (r Reader) readExposures(ctx context.Context, c *Cluster) error {
	items, err := r.list(ctx, networking, "gateways", metav1.NamespaceAll)
	if err != nil {
		return err
	}
	for _, item := range items {
		var spec struct {
			Selector map[string]string `json:"selector"`
			Servers  []struct {
				Port struct {
					Number int `json:"number"`
				} `json:"port"`
				Hosts []string `json:"hosts"`
				TLS   Mode     `json:"tls"`
			} `json:"servers"`
		}
		if err := specOf(item, &spec); err != nil {
			return err
		}
		for _, s := range spec.Servers {
			if s.TLS.Mode != "AUTO_PASSTHROUGH" {
				continue
			}
			c.Exposures = append(c.Exposures, Exposure{
				Object:   Object{item.GetNamespace(), item.GetName()},
				Selector: spec.Selector, Port: s.Port.Number, Hosts: s.Hosts,
			})
		}
	}
	return nil
}

// readDeclared reads the addresses of other networks' gateways that were
// declared by hand, where the Gateway API is installed.
func (r Reader) readDeclared(ctx context.Context, c *Cluster) error {
	items, err := r.list(ctx, "gateway.networking.k8s.io", "gateways", metav1.NamespaceAll)
	if err != nil {
		return err
	}
	for _, item := range items {
		var spec struct {
			Class     string `json:"gatewayClassName"`
			Addresses []struct {
				Value string `json:"value"`
			} `json:"addresses"`
			Listeners []struct {
				Port int `json:"port"`
			} `json:"listeners"`
		}
		network := item.GetLabels()[NetworkLabel]
		if err := specOf(item, &spec); err != nil || spec.Class != "istio-remote" || network == "" {
			continue
		}
		for _, a := range spec.Addresses {
			for _, l := range spec.Listeners {
				c.Declared = append(c.Declared, Declared{
					Object:  Object{item.GetNamespace(), item.GetName()},
					Network: network, Address: a.Value, Port: l.Port,
				})
			}
		}
	}
	return nil
}
