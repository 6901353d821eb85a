package conformance

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// domain is the name of the hello Service in the set, without the last dot.
func (s *scene) domain() string {
	return fmt.Sprintf("%s.%s.svc.%s", helloName, s.namespace, s.run.options.DNSDomain)
}

// localDomain is its name in its own cluster.
func (s *scene) localDomain() string {
	return fmt.Sprintf("%s.%s.svc.cluster.local", helloName, s.namespace)
}

// lookup asks a cluster's own DNS and returns what nslookup printed.
func (s *scene) lookup(ctx context.Context, m *Member, kind, name string) (string, error) {
	out, err := s.exec(ctx, m, execBound, "nslookup", fmt.Sprintf("nslookup -timeout=3 -retry=1 -type=%s %s. 2>&1", kind, name))
	if err != nil {
		return "", fmt.Errorf("look up %s %s: %w", kind, name, err)
	}
	return out, nil
}

// answered reads the addresses out of what nslookup printed. The first address is
// that of the server, before any name.
func answered(out string) []string {
	var all []string
	named := false
	for line := range strings.Lines(out) {
		field, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		switch {
		case field == "Name":
			named = true
		case field == "Address" && named:
			all = append(all, strings.TrimSpace(value))
		}
	}
	slices.Sort(all)
	return all
}

// server is a record of type SRV.
type server struct {
	port   int
	target string
}

// servers reads records of type SRV out of what nslookup printed:
// "NAME service = PRIORITY WEIGHT PORT TARGET".
func servers(out string) []server {
	var all []server
	for line := range strings.Lines(out) {
		_, record, found := strings.Cut(line, "service = ")
		fields := strings.Fields(record)
		if !found || len(fields) != 4 {
			continue
		}
		if number, err := strconv.Atoi(fields[2]); err == nil {
			all = append(all, server{number, strings.TrimSuffix(fields[3], ".")})
		}
	}
	return all
}

// recordTypes are the families and how their addresses are asked for.
var recordTypes = map[corev1.IPFamily]string{corev1.IPv4Protocol: "A", corev1.IPv6Protocol: "AAAA"}

// family is that of an address.
func family(address string) corev1.IPFamily {
	if parsed, err := netip.ParseAddr(address); err == nil && parsed.Is6() {
		return corev1.IPv6Protocol
	}
	return corev1.IPv4Protocol
}

// of are the addresses of one family, in order.
func of(ip corev1.IPFamily, addresses []string) []string {
	all := slices.DeleteFunc(slices.Clone(addresses), func(one string) bool { return family(one) != ip })
	slices.Sort(all)
	return all
}

// resolvesTo waits until a name has these addresses in a cluster, and no others.
func (s *scene) resolvesTo(ctx context.Context, m *Member, name string, wanted []string) error {
	return eventually(ctx, soon, func(ctx context.Context) error {
		for family, kind := range recordTypes {
			want := of(family, wanted)
			if len(want) == 0 {
				continue
			}
			out, err := s.lookup(ctx, m, kind, name)
			if err != nil {
				return err
			}
			if got := answered(out); !slices.Equal(got, want) {
				return violated("%s %s has %v, want %v (nslookup: %s)", kind, name, got, want, oneLine(out))
			}
		}
		return nil
	})
}

// mark ends the output of one call, callBound is longer than one takes.
const (
	mark      = "= end of call"
	callBound = 3 * time.Second
)

// call calls a port some times, one connection each, and returns what each printed.
func (s *scene) call(ctx context.Context, m *Member, host string, port, times int, ip corev1.IPFamily) ([]string, error) {
	option := map[corev1.IPFamily]string{corev1.IPv4Protocol: "-4", corev1.IPv6Protocol: "-6"}[ip]
	out, err := s.exec(ctx, m, execBound+time.Duration(times)*callBound, "nc", fmt.Sprintf(
		`i=0; while [ $i -lt %d ]; do echo hi | nc -v -w 2 %s %s. %d 2>&1; echo "%s"; i=$((i+1)); done`, times, option, host, port, mark))
	if err != nil {
		return nil, fmt.Errorf("call %s:%d: %w", host, port, err)
	}
	parts := strings.Split(out, mark)
	return parts[:len(parts)-1], nil
}

// callAnswer is what a hello pod answers before its addresses.
const callAnswer = "pod ip "

// answerer are the addresses of the pod that answered a call; nil for no answer.
func answerer(out string) []string {
	for line := range strings.Lines(out) {
		if _, list, found := strings.Cut(line, callAnswer); found {
			return strings.Split(strings.TrimSpace(list), ",")
		}
	}
	return nil
}

// calledAll waits until so many calls in a row are answered, all by these pods.
func (s *scene) calledAll(ctx context.Context, m *Member, port, times int, ip corev1.IPFamily, pods []string) error {
	return eventually(ctx, soon, func(ctx context.Context) error {
		calls, err := s.call(ctx, m, s.domain(), port, times, ip)
		if err != nil {
			return err
		}
		for i, out := range calls {
			by := answerer(out)
			if by == nil {
				return violated("call %d of %d of %s:%d is not answered: %s", i+1, len(calls), s.domain(), port, oneLine(out))
			}
			if !slices.ContainsFunc(by, func(one string) bool { return slices.Contains(pods, one) }) {
				return violated("call %d of %d of %s:%d is answered by %v, want one of %v", i+1, len(calls), s.domain(), port, by, pods)
			}
		}
		return nil
	})
}

// oneLine is what a command printed, short.
func oneLine(out string) string {
	text := strings.Join(strings.Fields(out), " ")
	const most = 300
	return text[:min(len(text), most)]
}
