package dns

import (
	"net/netip"
	"strings"
)

// Names are kept in wire form, each label behind its length, in lower case. That of
// the zone ends with the root; all others are what stands left of some name above.
const (
	zoneName   = "\x0aclusterset\x05local\x00"
	zoneLabels = 2
	labelSvc   = "\x03svc"
	// ns.dns is the zone's one name server, hostmaster whom to write to.
	labelDNS        = "\x03dns"
	labelServer     = "\x02ns"
	labelHostmaster = "\x0ahostmaster"
	// labelVersion has the version of the schema that names follow (KEP-1645).
	labelVersion = "\x0bdns-version"
)

// Bounds of RFC 1035.
const (
	mostLabel = 63
	mostName  = 255
)

// roomBelow is how long a name may be that stands left of SVC.NS.
func roomBelow(service string) int { return mostName - len(labelSvc+zoneName) - len(service) }

// label is a word in wire form; false where it cannot be one. What is in a label
// matters to those who ask only: a dot in it would be part of the label.
func label(word string) (string, bool) {
	word = strings.ToLower(word)
	if word == "" || len(word) > mostLabel {
		return "", false
	}
	return string([]byte{byte(len(word))}) + word, true
}

// dashed is the hostname of an endpoint that has none, as CoreDNS makes it.
func dashed(address netip.Addr) string {
	word := strings.NewReplacer(".", "-", ":", "-").Replace(address.String())
	if strings.HasSuffix(word, "-") {
		word += "0"
	}
	return word
}

// parents yields what is left of a name when its first labels go, one after the other.
func parents(name string, yield func(string)) {
	for name = name[1+int(name[0]):]; name != ""; name = name[1+int(name[0]):] {
		yield(name)
	}
}
