package status

import (
	"fmt"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/eastwest-mesh/eastwest/api/v1alpha1"
	"github.com/eastwest-mesh/eastwest/discovery/model"
)

// Feature is what is known of a member's part in multi-cluster Services beside how
// it is watched. Of other members no more is known than Networks and Warnings.
type Feature struct {
	// Off is true where the own cluster does not take part.
	Off bool
	// Unserved are the dialects that the own cluster's API does not serve.
	Unserved []string
	// Denied is why the API server of the own cluster does not let the agent write;
	// empty where it does.
	Denied string
	// Foreign are the dialects that somebody else owns in the own cluster.
	Foreign []v1alpha1.ForeignDialect
	// Clusterset is the set that the own cluster says it is in where that is not the
	// mesh; empty where it is, or where nobody says.
	Clusterset string
	// Networks are those of all members, sorted.
	Networks []string
	// Across is true where the member is on another network than the agent.
	Across bool
	// Warnings are about what the member exports.
	Warnings []string
}

// The words of GKE's feature state (guide to multi-cluster Services, feature state),
// with which descriptions begin. docs/multi-cluster-services.md says what each stands
// for off Google Cloud.
const (
	wordsCreated  = "Firewall successfully created"
	wordsUpdated  = "Firewall successfully updated"
	wordsPending  = "Firewall creation pending"
	wordsMissing  = "GKE Cluster missing"
	wordsDenied   = "Project that member lives in is missing required permissions and/or has not enabled all required APIs - additional setup steps are required"
	wordsNetworks = "Multiple VPCs detected in the hub - VPC must be peered with other VPCs for successful connectivity"
	wordsOtherSet = "Member does not exist in the same project as hub - additional setup steps are required, errors may occur if not completed."
)

// listing is why a member is pending that nothing is wrong with.
const listing = "it is being listed"

// services is how a member stands in multi-cluster Services. Last is what was said
// before, whose time stays as long as nothing else is said; nil for nothing.
func services(m Member, last *v1alpha1.MemberServices, now time.Time) *v1alpha1.MemberServices {
	code, description := feature(m, now)
	if code == v1alpha1.CodeOK && !strings.HasPrefix(description, wordsNetworks) && !strings.HasPrefix(description, wordsOtherSet) {
		description = because(settled(last), description, "")
	}
	out := &v1alpha1.MemberServices{
		Code: code, Description: line(description), UpdateTime: metav1.Time{Time: now.UTC().Truncate(time.Second)}, Warnings: m.Feature.Warnings,
	}
	if last != nil && last.Code == out.Code && last.Description == out.Description {
		out.UpdateTime = metav1.Time{Time: last.UpdateTime.UTC()}
	}
	return out
}

// settled are the words for a member that is ready for use: created at first, updated
// where something was wrong before.
func settled(last *v1alpha1.MemberServices) string {
	switch {
	case last == nil || last.Description == because(wordsPending, listing, ""):
		return wordsCreated
	case last.Code == v1alpha1.CodeOK && strings.HasPrefix(last.Description, wordsCreated):
		return wordsCreated
	}
	return wordsUpdated
}

func because(words, cause, fix string) string {
	if cause == "" {
		return words
	}
	text := words + ": " + cause
	if fix != "" {
		text += Fix + fix
	}
	return text
}

// feature is the code and the description of a member; where it is OK that is what
// else is to be said.
func feature(m Member, now time.Time) (code, description string) {
	if code, description = ofSwitch(m); code != "" {
		return code, description
	}
	if code, description = ofWatch(m, now); code != "" {
		return code, description
	}
	if cause, fix := way(m); cause != "" {
		return v1alpha1.CodeWarning, because(wordsPending, cause, fix)
	}
	return v1alpha1.CodeOK, remarks(m.Feature)
}

// ofSwitch is what keeps the own cluster from taking part at all.
func ofSwitch(m Member) (code, description string) {
	const dialects = 2
	switch f := m.Feature; {
	case f.Off:
		return v1alpha1.CodeFailed, v1alpha1.MCSOff + Fix + "turn them on with eastwest mcs enable"
	case f.Denied != "":
		return v1alpha1.CodeFailed, because(wordsDenied, f.Denied, "restore the rights of the agent's account with eastwest up")
	case len(f.Foreign) == dialects:
		return v1alpha1.CodeFailed, because(wordsDenied, foreign(f.Foreign)+", so that nothing is ours to write here", "use theirs, or turn theirs off")
	case len(f.Foreign)+len(f.Unserved) >= dialects:
		return v1alpha1.CodeFailed, because(wordsDenied, remarks(Feature{Foreign: f.Foreign, Unserved: f.Unserved}), "bring the types with eastwest mcs enable")
	}
	return "", ""
}

// ofWatch is about the member's API. Nobody who answers is a cluster that is missing;
// one that answers with a refusal lacks rights.
func ofWatch(m Member, now time.Time) (code, description string) {
	if !m.Watched {
		cause, fix := "no record of it is in use", "write it again with eastwest up"
		if len(m.Records) > 0 {
			first := ofRecords(m)[0]
			cause, fix = first.text, first.fix
		}
		return v1alpha1.CodeError, because(wordsMissing, cause, fix)
	}
	for _, fault := range m.Faults {
		if fault.Reason == "Unauthorized" || fault.Reason == "Forbidden" {
			return v1alpha1.CodeFailed, because(wordsDenied, cause(fault), remedy(m, fault))
		}
	}
	switch m.State {
	case model.Ready:
		if expired(m, now) {
			return v1alpha1.CodeFailed, because(wordsDenied, "the credential for it has ended", remedy(m, Fault{Reason: "Unauthorized"}))
		}
		return "", ""
	case model.Leaving:
		return v1alpha1.CodeWarning, because(wordsPending, "it is leaving", "wait")
	case model.Joining:
		if len(m.Faults) == 0 {
			return v1alpha1.CodeWarning, because(wordsPending, listing, "")
		}
	}
	if len(m.Faults) == 0 {
		return v1alpha1.CodeWarning, because(wordsPending, "it is "+m.State.String(), "wait")
	}
	return v1alpha1.CodeError, because(wordsMissing, cause(m.Faults[0]), remedy(m, m.Faults[0]))
}

func cause(fault Fault) string {
	if fault.Resource != "" {
		return fault.Reason + " of " + fault.Resource
	}
	return fault.Reason
}

// way is why the endpoints of a member on another network are not reached, and what
// mends it. Texts that differ with every attempt are left out.
func way(m Member) (cause, fix string) {
	if m.Own || !m.Feature.Across {
		return "", ""
	}
	for _, one := range m.Links {
		if one.Reason != "GatewayUnresolved" || len(m.Gateways) == 0 {
			return one.Reason, linkRemedy(one.Reason)
		}
	}
	switch {
	case m.Link == nil:
		return "its gateway was not tried yet", "wait"
	case !m.Link.OK:
		return "its gateway is not reached, broken at " + m.Link.Hop, hopRemedies[m.Link.Hop]
	}
	return "", ""
}

// remarks are what somebody should know of a member that is ready for use.
func remarks(f Feature) string {
	var all []string
	if f.Clusterset != "" {
		all = append(all, fmt.Sprintf("%s It says that it is in the clusterset %s", wordsOtherSet, f.Clusterset))
	}
	if len(f.Networks) > 1 {
		all = append(all, fmt.Sprintf("%s: networks %s; gateways carry TCP between them, and pods are not called directly", wordsNetworks, strings.Join(f.Networks, ", ")))
	}
	if len(f.Foreign) > 0 {
		all = append(all, foreign(f.Foreign))
	}
	if len(f.Unserved) > 0 {
		all = append(all, "the cluster does not serve "+strings.Join(f.Unserved, ", "))
	}
	return strings.Join(all, "; ")
}

func foreign(dialects []v1alpha1.ForeignDialect) string {
	texts := make([]string, len(dialects))
	for i, one := range dialects {
		texts[i] = one.Group + " is off, as " + one.Owner + " owns it"
	}
	slices.Sort(texts)
	return strings.Join(texts, "; ")
}
