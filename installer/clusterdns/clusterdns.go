// Package clusterdns owns how a cluster's own DNS is made to ask another server for
// one zone: which of the places that exist for it this cluster supports, what is
// written there, and how that is taken back. It is pure: it is given the objects
// that there are, and returns them as they should be.
//
// It must not know which server answers, nor how objects are read and written.
package clusterdns

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Names of the objects that matter, all in Namespace but the operator's.
const (
	Namespace = "kube-system"
	// CoreDNS is the ConfigMap of CoreDNS, Custom the one from which CoreDNS imports
	// further servers where its owner provides for that (AKS, k3s).
	CoreDNS = "coredns"
	Custom  = "coredns-custom"
	// KubeDNS is the Deployment, and the ConfigMap, of kube-dns.
	KubeDNS = "kube-dns"
	// NodeLocal is the ConfigMap of NodeLocal DNSCache.
	NodeLocal = "node-local-dns"
)

// Keys within the ConfigMaps.
const (
	corefileKey = "Corefile"
	customKey   = "eastwest.server"
	stubKey     = "stubDomains"
)

// Facts are what is in a cluster.
type Facts struct {
	// ConfigMaps are those that there are, by name.
	ConfigMaps map[string]*corev1.ConfigMap
	// KubeDNS is true where kube-dns answers, and not CoreDNS.
	KubeDNS bool
	// Operator is the object DNS "default" of OpenShift's operator; nil where there is
	// none.
	Operator *unstructured.Unstructured
}

// Target is the zone, and who answers for it.
type Target struct {
	// Zone is without a dot at its end.
	Zone string
	// Servers are addresses, asked on port 53.
	Servers []string
}

// Change is an object as it should be: ConfigMap or Operator is set.
type Change struct {
	// ConfigMap without a UID does not exist yet.
	ConfigMap *corev1.ConfigMap
	Operator  *unstructured.Unstructured
	// Same is true where it is so already, Delete where it is to go: it was made for
	// this, and holds nothing else.
	Same, Delete bool
}

// LabelMade marks ConfigMaps that were made for this.
const LabelMade = "eastwest.dev/clusterdns"

// configMap is a ConfigMap to change: that which there is, or a new one.
func configMap(have *corev1.ConfigMap, name string) *corev1.ConfigMap {
	if have == nil {
		return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: Namespace, Name: name, Labels: map[string]string{LabelMade: "true"}}}
	}
	return have.DeepCopy()
}

// leftover reports whether a ConfigMap is to go.
func leftover(one *corev1.ConfigMap) bool {
	return one.Labels[LabelMade] == "true" && len(one.Data) == 0
}

// set writes one key of a ConfigMap.
func set(out *corev1.ConfigMap, key, text string) {
	if out.Data == nil {
		out.Data = map[string]string{}
	}
	out.Data[key] = text
}

// Hook is one place where a cluster's DNS is told of the zone. The errors of Point and
// Restore are a *Conflict where a person must decide.
type Hook struct {
	// Place says where, for people.
	Place string
	// Point returns the object with the zone, Restore without it.
	Point   func(Target) (Change, error)
	Restore func(Target) (Change, error)
	// Steps are what a person does instead of Point.
	Steps func(Target) []string
}

// Unsupported is why nothing is written: the DNS belongs to somebody who would undo
// it, or is of a kind that is not known.
type Unsupported struct {
	// Owner is who keeps the DNS, for people.
	Owner string
	// Steps are what a person does instead.
	Steps []string
}

func (u *Unsupported) Error() string {
	return fmt.Sprintf("the cluster's DNS is kept by %s, where nothing of ours would last", u.Owner)
}

// Hooks finds the places where a zone is to be entered, which may be several: pods
// that ask a cache of their node never get to the cluster's DNS with it. The error
// is an *Unsupported where there is none.
func Hooks(f Facts) ([]Hook, error) {
	if f.Operator != nil {
		return []Hook{operatorHook(f.Operator)}, nil
	}
	if f.KubeDNS {
		// Its caches on the nodes read the same stub domains.
		return []Hook{stubHook(f.ConfigMaps[KubeDNS])}, nil
	}
	main := f.ConfigMaps[CoreDNS]
	if main == nil || main.Data[corefileKey] == "" {
		return nil, unknown()
	}
	var hooks []Hook
	switch owner := ownerOf(main); {
	case importsCustom(main.Data[corefileKey]):
		hooks = append(hooks, besideCorefile(main, customHook(f.ConfigMaps[Custom])))
	case owner != nil:
		return nil, owner
	default:
		hooks = append(hooks, corefileHook(main, ""))
	}
	if cache := f.ConfigMaps[NodeLocal]; cache != nil && cache.Data[corefileKey] != "" {
		if owner := ownerOf(cache); owner != nil {
			return nil, owner
		}
		hooks = append(hooks, corefileHook(cache, boundTo(cache.Data[corefileKey])))
	}
	return hooks, nil
}

// Places are all hooks where something of ours may be, whoever keeps the DNS now: what
// was entered once is to be found again.
func Places(f Facts) []Hook {
	var hooks []Hook
	if f.Operator != nil {
		hooks = append(hooks, operatorHook(f.Operator))
	}
	if have := f.ConfigMaps[KubeDNS]; have != nil {
		hooks = append(hooks, stubHook(have))
	}
	if have := f.ConfigMaps[Custom]; have != nil {
		hooks = append(hooks, customHook(have))
	}
	for _, name := range []string{CoreDNS, NodeLocal} {
		if have := f.ConfigMaps[name]; have != nil && have.Data[corefileKey] != "" {
			hooks = append(hooks, corefileHook(have, boundTo(have.Data[corefileKey])))
		}
	}
	return hooks
}

// importsCustom reports whether a Corefile takes in the servers of the ConfigMap
// coredns-custom.
func importsCustom(corefile string) bool {
	for line := range strings.Lines(corefile) {
		if fields := strings.Fields(line); len(fields) == 2 && fields[0] == "import" && strings.HasSuffix(fields[1], "custom/*.server") {
			return true
		}
	}
	return false
}

// besideCorefile is a hook into what a Corefile imports: what that itself serves counts,
// too.
func besideCorefile(main *corev1.ConfigMap, hook Hook) Hook {
	point := hook.Point
	hook.Point = func(t Target) (Change, error) {
		if by := serving(main.Data[corefileKey], t.Zone); by != "" {
			return Change{}, taken("the Corefile in ConfigMap "+main.Namespace+"/"+main.Name, by)
		}
		return point(t)
	}
	return hook
}
