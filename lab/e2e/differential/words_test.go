//go:build e2e

package differential

import (
	"strconv"
	"strings"
	"testing"

	discoveryv1 "k8s.io/api/discovery/v1"
)

// port reads NAME:NUMBER.
func port(t *testing.T, text string) (string, int32) {
	t.Helper()
	name, number, _ := strings.Cut(text, ":")
	value, err := strconv.ParseInt(number, 10, 32)
	if err != nil {
		t.Fatalf("port %q is not NAME:NUMBER", text)
	}
	return name, int32(value)
}

// endpoint reads ADDRESSES,WORD,WORD: several addresses have + between them; the
// words say how the endpoint is, which is ready if nothing is said.
func endpoint(t *testing.T, text string) (discoveryv1.Endpoint, discoveryv1.AddressType) {
	t.Helper()
	words := strings.Split(text, ",")
	one := discoveryv1.Endpoint{Addresses: strings.Split(words[0], "+")}
	is := func(values ...bool) {
		one.Conditions = discoveryv1.EndpointConditions{Ready: &values[0], Serving: &values[1], Terminating: &values[2]}
	}
	for _, word := range words[1:] {
		name, value, _ := strings.Cut(word, "=")
		switch name {
		case "ready":
			is(true, true, false)
		case "unready":
			is(false, false, false)
		case "draining": // terminating, and still serving
			is(false, true, true)
		case "ending": // terminating, and not serving any more
			is(false, false, true)
		case "zone":
			one.Zone = &value
		case "hint":
			one.Hints = &discoveryv1.EndpointHints{ForZones: []discoveryv1.ForZone{{Name: value}}}
		case "node":
			one.NodeName = &value
		default:
			t.Fatalf("endpoint %q: no word %q", text, word)
		}
	}
	if strings.Contains(words[0], ":") {
		return one, discoveryv1.AddressTypeIPv6
	}
	return one, discoveryv1.AddressTypeIPv4
}
