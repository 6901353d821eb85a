package clusterdns

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// AnnotationWritten remembers, on the ConfigMap of kube-dns, what is ours among its stub
// domains: there is no place for a comment in them.
const AnnotationWritten = "eastwest.dev/clusterdns"

// written is the content of AnnotationWritten.
type written struct {
	Servers []string `json:"servers"`
	// Absent is true where there were no stub domains before.
	Absent bool `json:"absent,omitempty"`
}

// stubs are the stub domains of kube-dns.
type stubs struct {
	text    string
	servers []string // of the zone
	ours    *written
}

// stubHook makes the zone a stub domain of kube-dns.
func stubHook(have *corev1.ConfigMap) Hook {
	place := "the stub domains in ConfigMap " + Namespace + "/" + KubeDNS
	become := func(text string, note *written) (Change, error) {
		out := configMap(have, KubeDNS)
		before := out.Data[stubKey]
		if text == "" {
			delete(out.Data, stubKey)
		} else {
			set(out, stubKey, text)
		}
		err := annotate(out, note)
		same := text == before && (have == nil || out.Annotations[AnnotationWritten] == have.Annotations[AnnotationWritten])
		return Change{ConfigMap: out, Same: same, Delete: leftover(out)}, err
	}
	return Hook{
		Place: place,
		Steps: func(t Target) []string {
			return []string{"add to " + place + ": " + entry(t.Zone, t.Servers)}
		},
		Point: func(t Target) (Change, error) {
			found, err := readStubs(have, t.Zone)
			if err != nil {
				return Change{}, err
			}
			switch {
			case found.ours == nil && found.servers != nil && !slices.Equal(found.servers, t.Servers):
				return Change{}, taken(place, strings.Join(found.servers, ", "))
			case found.ours == nil && found.servers != nil:
				return Change{ConfigMap: have.DeepCopy(), Same: true}, nil // somebody did it by hand
			case found.edited() && !slices.Equal(found.servers, t.Servers):
				return Change{}, editedSince(place)
			case slices.Equal(found.servers, t.Servers):
				return become(found.text, &written{t.Servers, found.absent()})
			}
			rest := found.without(t.Zone)
			return become(insert(rest, entry(t.Zone, t.Servers)), &written{t.Servers, found.absent()})
		},
		Restore: func(t Target) (Change, error) {
			found, err := readStubs(have, t.Zone)
			switch {
			case err != nil:
				return Change{}, err
			case found.ours == nil:
				return become(found.text, nil)
			case found.edited():
				return Change{}, editedSince(place)
			}
			return become(found.without(t.Zone), nil)
		},
	}
}

func readStubs(have *corev1.ConfigMap, zone string) (stubs, error) {
	if have == nil {
		return stubs{}, nil
	}
	found, domains := stubs{text: have.Data[stubKey]}, map[string][]string{}
	if found.text != "" {
		if err := json.Unmarshal([]byte(found.text), &domains); err != nil {
			return stubs{}, fmt.Errorf("ConfigMap %s/%s: its %s are no JSON of names and lists: %w", Namespace, KubeDNS, stubKey, err)
		}
	}
	found.servers = domains[zone]
	if note := have.Annotations[AnnotationWritten]; note != "" {
		found.ours = &written{}
		if err := json.Unmarshal([]byte(note), found.ours); err != nil {
			return stubs{}, fmt.Errorf("ConfigMap %s/%s: its annotation %s: %w", Namespace, KubeDNS, AnnotationWritten, err)
		}
	}
	return found, nil
}

// edited reports whether somebody gave the zone other servers than we did. That the
// zone is gone is what we would do ourselves.
func (s stubs) edited() bool {
	return s.ours != nil && s.servers != nil && !slices.Equal(s.servers, s.ours.Servers)
}

// absent reports whether there were no stub domains before ours.
func (s stubs) absent() bool {
	if s.ours != nil {
		return s.ours.Absent
	}
	return s.text == ""
}

// without is the text without the zone: as it was before, where nobody wrote it anew
// since, which would leave it equal in content only.
func (s stubs) without(zone string) string {
	rest := s.text
	if s.servers != nil {
		one := entry(zone, s.servers)
		before, after, found := strings.Cut(rest, one)
		if found {
			rest = before + strings.TrimPrefix(after, ",")
		}
		domains := map[string][]string{}
		if err := json.Unmarshal([]byte(rest), &domains); !found || err != nil {
			rest = remarshalled(s.text, zone)
		}
	}
	if s.absent() && strings.TrimSpace(rest) == "{}" {
		return ""
	}
	return rest
}

func remarshalled(text, zone string) string {
	domains := map[string][]string{}
	if json.Unmarshal([]byte(text), &domains) != nil {
		return text
	}
	delete(domains, zone)
	out, err := json.Marshal(domains)
	if err != nil {
		return text
	}
	return string(out)
}

// entry is one stub domain.
func entry(zone string, servers []string) string {
	quoted := make([]string, len(servers))
	for i, one := range servers {
		quoted[i] = fmt.Sprintf("%q", one)
	}
	return fmt.Sprintf("%q:[%s]", zone, strings.Join(quoted, ","))
}

// insert puts an entry first into an object of JSON, and leaves the rest as it is.
func insert(text, one string) string {
	if text == "" {
		return "{" + one + "}"
	}
	before, after, _ := strings.Cut(text, "{")
	if strings.TrimSpace(after) != "}" {
		one += ","
	}
	return before + "{" + one + after
}

// annotate writes down what is ours; nil: nothing.
func annotate(out *corev1.ConfigMap, note *written) error {
	if note == nil {
		if delete(out.Annotations, AnnotationWritten); len(out.Annotations) == 0 {
			out.Annotations = nil
		}
		return nil
	}
	text, err := json.Marshal(note)
	if err != nil {
		return fmt.Errorf("encode annotation %s: %w", AnnotationWritten, err)
	}
	if out.Annotations == nil {
		out.Annotations = map[string]string{}
	}
	out.Annotations[AnnotationWritten] = string(text)
	return nil
}
