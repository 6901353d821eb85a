package watch

import (
	"fmt"
	"maps"
	"math"
	"strconv"
	"strings"
	"unique"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/eastwest-mesh/eastwest/api/v1alpha1"
	"github.com/eastwest-mesh/eastwest/discovery/model"
	"github.com/eastwest-mesh/eastwest/internal/identity"
	"github.com/eastwest-mesh/eastwest/internal/preference"
)

// maxMetadata bounds the labels, and the annotations, that an export adds to its
// imports, in bytes.
const maxMetadata = 16 << 10

// packExport reduces a ServiceExport of a dialect.
func packExport(from *serviceExport, in model.Dialects) object {
	id := idOf(from)
	out := object{id: id, key: model.ServiceKey{Namespace: strings.Clone(id.namespace), Name: strings.Clone(id.name)}}
	d := dropper{object: "ServiceExport " + id.String()}
	if !validNames(out.key) {
		d.add(DropName, id.String())
		out.drops = d.result()
		return out
	}
	if from.Annotations[v1alpha1.AnnotationOff] == "true" {
		return out // its own cluster does not take part
	}
	out.export = &export{in: in, created: seconds(from.CreationTimestamp)}
	if name := from.Annotations[v1alpha1.AnnotationIncumbent]; name != "" {
		if identity.CheckName(name) == nil {
			out.export.incumbent = model.MemberName(unique.Make(name).Value())
		} else {
			d.add(DropMetadata, name)
		}
	}
	out.export.wishes(from.Annotations)
	out.export.labels = metadata(from.Spec.ExportedLabels, &d, func(value string) bool { return len(validation.IsValidLabelValue(value)) == 0 })
	out.export.annotations = metadata(from.Spec.ExportedAnnotations, &d, func(string) bool { return true })
	out.size, out.drops = out.export.size(), d.result()
	return out
}

// wishes are what the annotations ask for; what is wrong with one of them is kept, too.
func (e *export) wishes(annotations map[string]string) {
	prefer, err := preference.Parse(annotations[v1alpha1.AnnotationPrefer])
	if err != nil {
		e.flaw = fmt.Sprintf("annotation %s is not used: %v", v1alpha1.AnnotationPrefer, err)
	}
	e.prefer = model.Preference(unique.Make(prefer).Value())
	text, said := annotations[v1alpha1.AnnotationWeight]
	if !said {
		return
	}
	weight, err := strconv.ParseUint(text, 10, 32)
	if err != nil {
		e.flaw = fmt.Sprintf("annotation %s is not used: %.40q is no number from 0 to %d", v1alpha1.AnnotationWeight, text, uint32(math.MaxUint32))
		return
	}
	e.share = model.Share{Weight: uint32(weight), Drained: weight == 0}
}

// metadata keeps what may stand on an import: with keys that Kubernetes takes, and
// that are not ours. Too much of it is dropped as a whole, since the whole map is
// what exporters may differ in (KEP-1645).
func metadata(from map[string]string, d *dropper, valid func(string) bool) map[string]string {
	var kept map[string]string
	for key, value := range from {
		owner, _, _ := strings.Cut(key, "/")
		if len(validation.IsQualifiedName(key)) > 0 || !valid(value) || reserved[owner] || strings.HasSuffix(owner, ".eastwest.dev") {
			d.add(DropMetadata, key)
			continue
		}
		if kept == nil {
			kept = map[string]string{}
		}
		kept[strings.Clone(key)] = strings.Clone(value)
	}
	if sizeOfMap(kept) > maxMetadata {
		d.add(DropMetadata, "too much of it")
		return nil
	}
	return kept
}

func sizeOfMap(values map[string]string) int {
	total := 0
	for key, value := range values {
		total += len(key) + len(value)
	}
	return total
}

// reserved are the prefixes of keys by which controllers know imports.
var reserved = map[string]bool{"eastwest.dev": true, "multicluster.kubernetes.io": true, "net.gke.io": true}

// size is about how many bytes it takes to keep it; 0 for none.
func (e *export) size() int {
	if e == nil {
		return 0
	}
	return perObject + sizeOfMap(e.labels) + sizeOfMap(e.annotations)
}

func (e *export) equal(other *export) bool {
	return e.created.Equal(other.created) && e.incumbent == other.incumbent && e.prefer == other.prefer && e.share == other.share && e.flaw == other.flaw &&
		maps.Equal(e.labels, other.labels) && maps.Equal(e.annotations, other.annotations)
}

// traits are what a Service says of how it is used. Values are checked here: they
// end up in objects of other clusters, whose API would refuse them.
func traits(spec *corev1.ServiceSpec) model.Traits {
	var out model.Traits
	if spec.SessionAffinity == corev1.ServiceAffinityClientIP {
		out.ClientIP, out.AffinitySeconds = true, corev1.DefaultClientIPServiceAffinitySeconds
		if config := spec.SessionAffinityConfig; config != nil && config.ClientIP != nil && config.ClientIP.TimeoutSeconds != nil {
			if seconds := *config.ClientIP.TimeoutSeconds; seconds > 0 && seconds <= 86400 {
				out.AffinitySeconds = seconds
			}
		}
	}
	if policy := spec.InternalTrafficPolicy; policy != nil && *policy == corev1.ServiceInternalTrafficPolicyLocal {
		out.InternalTrafficPolicy = string(corev1.ServiceInternalTrafficPolicyLocal)
	}
	if wanted := spec.TrafficDistribution; wanted != nil {
		switch *wanted {
		case corev1.ServiceTrafficDistributionPreferClose, corev1.ServiceTrafficDistributionPreferSameZone, corev1.ServiceTrafficDistributionPreferSameNode:
			out.TrafficDistribution = *wanted
		}
	}
	for _, family := range spec.IPFamilies {
		switch one := model.Family(family); one {
		case model.IPv4, model.IPv6:
			if len(out.Families) < 2 && (len(out.Families) == 0 || out.Families[0] != one) {
				out.Families = append(out.Families, one)
			}
		}
	}
	return out
}
