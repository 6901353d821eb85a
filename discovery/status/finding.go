package status

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/eastwest-mesh/eastwest/api/v1alpha1"
	"github.com/eastwest-mesh/eastwest/discovery/model"
)

// finding is one thing that somebody should know, and what mends it.
type finding struct {
	code      string
	text, fix string
}

// The codes by weight, the heaviest first. FAILED: nothing of the member is used.
// ERROR: it is used, but nothing reaches it or what is known of it is out of date.
// WARNING: it is used, or about to be, and something is to be seen to.
var codes = []string{v1alpha1.CodeFailed, v1alpha1.CodeError, v1alpha1.CodeWarning, v1alpha1.CodeOK}

func code(found []finding) string {
	if len(found) == 0 {
		return v1alpha1.CodeOK
	}
	return found[0].code
}

// Fix stands in a description between what is wrong and what mends it.
const Fix = v1alpha1.DescriptionFix

// describe is the description: the heaviest finding in one line.
func describe(m Member, found []finding) string {
	if len(found) == 0 {
		if m.Own {
			return "the agent's own cluster"
		}
		return "watched"
	}
	text := found[0].text
	if more := len(found) - 1; more > 0 {
		text += fmt.Sprintf(" (and %d more)", more)
	}
	return line(text + Fix + found[0].fix)
}

// dialler is the port that a connection happened to have on our side: it differs
// with every attempt, and says nothing.
var dialler = regexp.MustCompile(`\S+:\d+->`)

// line makes a text one line of bounded length. Parts of it come from members.
func line(text string) string {
	const most = 600
	text = dialler.ReplaceAllString(text, "")
	text = strings.Join(strings.FieldsFunc(strings.ToValidUTF8(text, "?"), func(r rune) bool {
		return unicode.IsSpace(r) || !unicode.IsPrint(r)
	}), " ")
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most]) + "..."
	}
	return text
}

// findings lists what is wrong with a member, the heaviest first.
func findings(m Member, now time.Time) []finding {
	found := ofRecords(m)
	if m.Watched {
		found = append(found, ofState(m)...)
		found = append(found, ofCredential(m, now)...)
		found = append(found, ofLinks(m)...)
		found = append(found, ofExports(m)...)
		found = append(found, ofAddresses(m)...)
	}
	slices.SortStableFunc(found, func(a, b finding) int { return slices.Index(codes, a.code) - slices.Index(codes, b.code) })
	return found
}

func ofRecords(m Member) []finding {
	var found []finding
	for _, one := range m.Records {
		wrong := finding{code: v1alpha1.CodeFailed, text: fmt.Sprintf("the member is not used: %s: %s", one.Reason, one.Message)}
		if m.Watched {
			wrong.code, wrong.text = v1alpha1.CodeWarning, fmt.Sprintf("a newer or second record is not used: %s: %s", one.Reason, one.Message)
		}
		wrong.fix = "correct " + one.About + ", or write it again with eastwest create-mesh or up"
		found = append(found, wrong)
	}
	return found
}

func ofState(m Member) []finding {
	text, fix, since := "it is being listed", "wait; if it stays so, look at the agent's log", ""
	if len(m.Faults) > 0 {
		first := m.Faults[0]
		text, fix = first.Reason+": "+first.Message, remedy(m, first)
		if first.Resource != "" {
			text = first.Reason + " of " + first.Resource + ": " + first.Message
		}
		since = " since " + first.Since.UTC().Format(time.RFC3339)
	}
	switch m.State {
	case model.Joining:
		if len(m.Faults) > 0 {
			return []finding{{v1alpha1.CodeFailed, "the member was never read: " + text, fix}}
		}
		return []finding{{v1alpha1.CodeWarning, text, fix}}
	case model.Degraded:
		return []finding{{v1alpha1.CodeWarning, "it cannot be watched" + since + ", and what it offered last stays in use: " + text, fix}}
	case model.Stale:
		use := "still in use"
		if m.Demoted {
			use = "used only where nobody else has an endpoint"
		}
		return []finding{{v1alpha1.CodeError, "it cannot be watched" + since + ", and what it offered then is " + use + ": " + text, fix}}
	case model.Leaving:
		return []finding{{v1alpha1.CodeWarning, "it is leaving, and its endpoints drain", "wait"}}
	case model.Quarantined:
		return []finding{{v1alpha1.CodeError, "nothing new is taken from it: " + text, fix}}
	}
	return nil
}

// remedy is what mends a fault.
func remedy(m Member, fault Fault) string {
	switch fault.Reason {
	case "Unauthorized":
		return "give the agent a new credential with eastwest create-mesh or up"
	case "Forbidden":
		return "restore the rights of the agent's account in the member with eastwest create-mesh or up"
	case "IdentityChanged":
		return "if the cluster was made anew, let the old one leave and join it again; else see who answers at its address"
	case "Missing", "APIMissing":
		return "see why the member does not serve " + fault.Resource
	case "Throttled":
		return "see what overloads the member's API server"
	case "ServerError", "ListHeld":
		return "see whether the member's API server and its etcd are well"
	case "TooLarge":
		return "see which object of the member is so large"
	}
	if m.Own {
		return "see whether this cluster's API server is well"
	}
	return "see whether the member's API server runs, and whether pods of this cluster reach the server of its kubeconfig"
}

func ofCredential(m Member, now time.Time) []finding {
	var found []finding
	if expired(m, now) && !has(m.Faults, "Unauthorized") {
		found = append(found, finding{
			v1alpha1.CodeError, "the credential for it ended at " + m.Expires.UTC().Format(time.RFC3339) + ", and the next connection will be refused",
			remedy(m, Fault{Reason: "Unauthorized"}),
		})
	}
	if len(m.Pending) > 0 {
		first := m.Pending[0]
		found = append(found, finding{
			v1alpha1.CodeWarning, "its new credential or record is not in use yet: " + first.Reason + ": " + first.Message, remedy(m, first),
		})
	}
	return found
}

// hopReasons are the reasons of the condition Reachable, and hopRemedies what mends
// a broken hop.
var hopReasons = map[string]string{
	"address": "NoAddress", "tcp": "NotConnected", "tls": "NoTLS", "certificate": "OtherCertificate", "admission": "NotAdmitted", "answer": "OtherAnswer",
}

var hopRemedies = map[string]string{
	"address":     "give its gateway's Service an address, or its record an advertised one",
	"tcp":         "open the way from this cluster's nodes to that address: firewall, security group, source ranges of the gateway; and see whether its gateway runs and exposes anything",
	"tls":         "see what answers at that address: it is not the member's gateway, or that has no certificate yet; beside Istio let eastwest up expose it again, and see whether its agent is ready",
	"certificate": "give both members CAs of one root with eastwest up --init-trust, and see whether the address is the member's",
	"admission":   "see whether the member has a record of this cluster, and whether its gateway drains or has lost its agent",
	"answer":      "the address leads to another member: correct the advertised addresses of both, and write their records again with eastwest up",
}

// ofLinks are said only once the member was listed, but for the link itself: before,
// nobody knows its gateway.
func ofLinks(m Member) []finding {
	found := ofLink(m)
	if m.State == model.Joining {
		return found
	}
	for _, one := range m.Links {
		wrong := finding{v1alpha1.CodeError, one.Reason + ": " + one.Message, linkRemedy(one.Reason)}
		if m.Services == 0 || one.Reason == "GatewayUnresolved" && len(m.Gateways) > 0 {
			wrong.code = v1alpha1.CodeWarning
		}
		found = append(found, wrong)
	}
	return found
}

// linkRemedy is what mends that nothing can be sent to a member.
func linkRemedy(reason string) string {
	switch reason {
	case "IdentityInvalid":
		return "write its record again with eastwest create-mesh or up, with one trust domain for all members"
	case "GatewayDenied":
		return Remedy(reason)
	case "GatewayUnresolved":
		return "see whether pods of this cluster can look the name up, or advertise an IP address in its record"
	}
	return "give its gateway an address, or its record an advertised one"
}

// ofLink is what connecting to the gateways of a member found out. Of a member whose
// API answers as ever, a gateway that nothing connects to is a network in two parts.
func ofLink(m Member) []finding {
	if m.Link == nil || m.Link.OK {
		return nil
	}
	text := "its gateway is not reached: " + m.Link.Hop + ": " + m.Link.Message
	if m.State == model.Ready && m.Link.Hop == "tcp" {
		text = "Partitioned: its API answers, but " + text
	}
	return []finding{{v1alpha1.CodeError, text, hopRemedies[m.Link.Hop]}}
}

func ofAddresses(m Member) []finding {
	if m.Addresses == nil || m.Addresses.Problem == "" {
		return nil
	}
	return []finding{{
		v1alpha1.CodeError, "the local istiod is not told its advertised addresses: " + m.Addresses.Problem,
		"see what changes that Gateway, and write it again with eastwest up",
	}}
}

func ofExports(m Member) []finding {
	var found []finding
	for _, one := range m.Exports {
		found = append(found, finding{v1alpha1.CodeWarning, exportText(one), Remedy(one.Reason)})
	}
	return found
}

func exportText(one Problem) string {
	text := one.Reason + ": " + one.Message
	if one.About != "" {
		text = "service " + one.About + ": " + text
	}
	return text
}

// Remedy is what mends a problem of an export.
func Remedy(reason string) string {
	switch reason {
	case "NamespaceDenied":
		return "remove the export, or allow the namespace in the member's record"
	case "NamespaceDefault":
		return "export from a namespace of its own"
	case "NoService":
		return "make the Service, or remove the ServiceExport"
	case "ProtocolUnsupported":
		return "offer the port by TCP too, or put the members on one network"
	case "InvalidServiceType":
		return "remove the ServiceExport, or export the Service that the name leads to"
	case "NoPorts":
		return "give the Service a port"
	case "ManyPorts":
		return "split the Service"
	case "TooManyServices", "TooManyEndpoints", "TooManyObjects":
		return "export less, or raise limits in the agent's configuration"
	case "GatewayDenied":
		return "add the address to gatewayCIDRs in the member's record, or advertise another one"
	case "RoleImportOnly":
		return "remove the export, or give the member the role both in its record"
	}
	return "see the objects of the service in the member"
}
