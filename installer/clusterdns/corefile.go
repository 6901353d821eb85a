package clusterdns

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// What is ours in a Corefile stands between these lines.
const (
	begin = "# eastwest: begin"
	end   = "# eastwest: end"
)

// server is the block that forwards the zone. The cache keeps answers for as long as
// they say, and no longer than a few seconds in any case.
func server(t Target, bind string) string {
	var text strings.Builder
	fmt.Fprintf(&text, "%s:53 {\n    errors\n    cache 5\n", t.Zone)
	if bind != "" {
		fmt.Fprintf(&text, "    bind %s\n", bind)
	}
	fmt.Fprintf(&text, "    forward . %s\n}\n", strings.Join(t.Servers, " "))
	return text.String()
}

// corefileHook enters the zone into a Corefile. A server that is bound to addresses
// leaves others of that port alone.
func corefileHook(have *corev1.ConfigMap, bind string) Hook {
	changed := func(block string) (Change, error) {
		out := have.DeepCopy()
		rest, err := without(have.Data[corefileKey])
		if err != nil {
			return Change{}, fmt.Errorf("ConfigMap %s/%s: %w", have.Namespace, have.Name, err)
		}
		out.Data[corefileKey] = rest
		if block != "" {
			out.Data[corefileKey] = strings.TrimRight(rest, "\n") + "\n" + begin + "\n" + block + end + "\n"
		}
		return Change{ConfigMap: out, Same: out.Data[corefileKey] == have.Data[corefileKey]}, nil
	}
	return Hook{
		Place: "the Corefile in ConfigMap " + have.Namespace + "/" + have.Name,
		Point: func(t Target) (Change, error) {
			rest, err := without(have.Data[corefileKey])
			if err == nil && serves(rest, t.Zone) {
				return Change{}, fmt.Errorf("ConfigMap %s/%s: its Corefile has a server for %s that is not ours", have.Namespace, have.Name, t.Zone)
			}
			return changed(server(t, bind))
		},
		Restore: func(Target) (Change, error) { return changed("") },
	}
}

// without is a Corefile without what is ours.
func without(corefile string) (string, error) {
	before, rest, found := strings.Cut(corefile, begin+"\n")
	if !found {
		return corefile, nil
	}
	_, after, closed := strings.Cut(rest, end+"\n")
	if !closed || strings.Contains(after, begin) {
		return "", fmt.Errorf("the lines %q and %q in its Corefile do not belong together", begin, end)
	}
	return before + after, nil
}

// serves reports whether a Corefile has a server for a zone.
func serves(corefile, zone string) bool {
	for line := range strings.Lines(corefile) {
		if line = strings.TrimSpace(line); !strings.HasSuffix(line, "{") {
			continue
		}
		for _, word := range strings.FieldsFunc(strings.TrimSuffix(line, "{"), func(r rune) bool { return r == ' ' || r == ',' || r == '\t' }) {
			word = strings.TrimPrefix(word, "dns://")
			name, _, _ := strings.Cut(word, ":")
			if strings.EqualFold(strings.TrimSuffix(name, "."), zone) {
				return true
			}
		}
	}
	return false
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

// customHook gives CoreDNS a server in the ConfigMap that it imports from.
func customHook(have *corev1.ConfigMap) Hook {
	changed := func(block string) (Change, error) {
		if have == nil && block == "" {
			return Change{Same: true}, nil
		}
		out := configMap(have, Custom)
		before := out.Data[customKey]
		if block == "" {
			delete(out.Data, customKey)
		} else {
			if out.Data == nil {
				out.Data = map[string]string{}
			}
			out.Data[customKey] = block
		}
		return Change{ConfigMap: out, Same: have != nil && before == block, Delete: leftover(out)}, nil
	}
	return Hook{
		Place:   "ConfigMap " + Namespace + "/" + Custom,
		Point:   func(t Target) (Change, error) { return changed(server(t, "")) },
		Restore: func(Target) (Change, error) { return changed("") },
	}
}
