package clusterdns

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// corefileHook enters the zone into a Corefile. A server that is bound to addresses
// leaves others of that port alone.
func corefileHook(have *corev1.ConfigMap, bind string) Hook {
	place := "the Corefile in ConfigMap " + have.Namespace + "/" + have.Name
	become := func(text string) Change {
		out := have.DeepCopy()
		out.Data[corefileKey] = text
		return Change{ConfigMap: out, Same: text == have.Data[corefileKey]}
	}
	return Hook{
		Place: place,
		Steps: func(t Target) []string {
			return steps("at the end of "+place+" (kubectl -n "+have.Namespace+" edit configmap "+have.Name+")", server(t, bind))
		},
		Point: func(t Target) (Change, error) {
			text, err := pointed(place, have.Data[corefileKey], server(t, bind))
			if err != nil {
				return Change{}, err
			}
			if byHand(have.Data[corefileKey], server(t, bind)) {
				return become(have.Data[corefileKey]), nil
			}
			if by := serving(have.Data[corefileKey], t.Zone); by != "" {
				return Change{}, taken(place, by)
			}
			return become(text), nil
		},
		Restore: func(Target) (Change, error) {
			text, err := restored(place, have.Data[corefileKey])
			return become(text), err
		},
	}
}

// customHook gives CoreDNS a server in the ConfigMap that it imports from.
func customHook(have *corev1.ConfigMap) Hook {
	place := "ConfigMap " + Namespace + "/" + Custom
	before := ""
	if have != nil {
		before = have.Data[customKey]
	}
	become := func(text string) Change {
		out := configMap(have, Custom)
		if text == "" {
			delete(out.Data, customKey)
		} else {
			set(out, customKey, text)
		}
		return Change{ConfigMap: out, Same: text == before, Delete: leftover(out)}
	}
	return Hook{
		Place: place,
		Steps: func(t Target) []string {
			return steps("as a key of its own, "+customKey+", into "+place, server(t, ""))
		},
		Point: func(t Target) (Change, error) {
			text, err := pointed(place, before, server(t, ""))
			if err != nil {
				return Change{}, err
			}
			if have != nil && slices.ContainsFunc(slices.Collect(maps.Values(have.Data)), func(text string) bool { return byHand(text, server(t, "")) }) {
				return become(before), nil
			}
			if by := servingCustom(have, t.Zone); by != "" {
				return Change{}, taken(place, by)
			}
			return become(text), nil
		},
		Restore: func(Target) (Change, error) {
			text, err := restored(place, before)
			return become(text), err
		},
	}
}

// servingCustom is who serves a zone from the ConfigMap that CoreDNS imports from.
func servingCustom(have *corev1.ConfigMap, zone string) string {
	if have == nil {
		return ""
	}
	keys := make([]string, 0, len(have.Data))
	for key := range have.Data {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	for _, key := range keys {
		if by := serving(have.Data[key], zone); by != "" {
			return by + ", in its key " + key
		}
	}
	return ""
}

// pointed is a text with our server at its end.
func pointed(place, text, block string) (string, error) {
	found, err := split(text)
	if err != nil {
		return "", broken(place, err)
	}
	if found.edited && found.block != block {
		return "", editedSince(place)
	}
	if found.block == block && !found.edited {
		return text, nil // where it stands, somebody may have put it
	}
	return with(found.rest, block), nil
}

// restored is a text without what is ours.
func restored(place, text string) (string, error) {
	found, err := split(text)
	switch {
	case err != nil:
		return "", broken(place, err)
	case found.edited:
		return "", editedSince(place)
	}
	return found.rest, nil
}

// serving is who answers for a zone by a Corefile, for people; empty for nobody, or
// us.
func serving(corefile, zone string) string {
	found, err := split(corefile)
	if err != nil {
		return ""
	}
	for line := range strings.Lines(found.rest) {
		line, _, _ = strings.Cut(strings.TrimSpace(line), "#")
		names := strings.FieldsFunc(line, func(r rune) bool { return strings.ContainsRune(" ,\t{", r) })
		if len(names) == 0 || !slices.ContainsFunc(names, func(name string) bool { return sameZone(name, zone) }) {
			continue
		}
		switch {
		case names[0] == "kubernetes" || names[0] == "multicluster":
			return "CoreDNS itself, by its option multicluster (Cilium sets it, too)"
		case names[0] == "forward":
			return "a forward for " + zone + " that is not ours"
		case !strings.HasSuffix(strings.TrimSpace(line), "{"):
		case strings.Contains(found.rest, "lighthouse"):
			return "the lighthouse of Submariner"
		default:
			return "a server for " + zone + " that is not ours"
		}
	}
	return ""
}

// sameZone compares the address of a server, [dns://]ZONE[:PORT], with a zone.
func sameZone(address, zone string) bool {
	name, _, _ := strings.Cut(strings.TrimPrefix(address, "dns://"), ":")
	return strings.EqualFold(strings.TrimSuffix(name, "."), zone)
}

// boundTo are the addresses that the servers of a Corefile listen on; empty: all.
func boundTo(corefile string) string {
	for line := range strings.Lines(corefile) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == "bind" {
			return strings.Join(fields[1:], " ")
		}
	}
	return ""
}

// byHand reports whether a person entered our server into a text: it is there, and it is
// not ours.
func byHand(text, block string) bool {
	found, err := split(text)
	words := func(text string) string { return " " + strings.Join(strings.Fields(text), " ") + " " }
	return err == nil && strings.Contains(words(found.rest), words(block))
}

// steps are those by which a person enters a server.
func steps(where, block string) []string {
	return []string{fmt.Sprintf("put this %s:\n%s", where, block)}
}
