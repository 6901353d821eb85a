package conformance

import (
	"fmt"
	"strings"

	mcs "sigs.k8s.io/mcs-api/pkg/apis/v1beta1"
)

// equal compares a field, which may be absent, with what it has to be.
func equal[T comparable](field string, have *T, want T) error {
	if have == nil {
		return violated("%s is absent, want %v", field, want)
	}
	if *have != want {
		return violated("%s is %v, want %v", field, *have, want)
	}
	return nil
}

// portsText is "tcp 42/TCP, udp 42/UDP".
func portsText(ports []mcs.ServicePort) string {
	all := make([]string, len(ports))
	for i, port := range ports {
		all[i] = fmt.Sprintf("%s %d/%s", port.Name, port.Port, port.Protocol)
		if port.AppProtocol != nil {
			all[i] += " " + *port.AppProtocol
		}
	}
	return strings.Join(all, ", ")
}
