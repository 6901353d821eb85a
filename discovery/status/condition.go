package status

import (
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/eastwest-mesh/eastwest/discovery/model"
)

// Types of conditions.
const (
	Ready           = "Ready"
	CredentialValid = "CredentialValid"
	Reachable       = "Reachable"
	// ExportsIncomplete is there, and true, where not all that the member exports is
	// served with all ports.
	ExportsIncomplete = "ExportsIncomplete"
	// AddressesKept is whether advertised addresses are told to the local istiod.
	AddressesKept = "AddressesKept"
)

// conditionTypes are ours, in an object in which others may have theirs.
var conditionTypes = []string{Ready, CredentialValid, Reachable, ExportsIncomplete, AddressesKept}

// ready is the condition Ready.
func ready(m Member, found []finding) metav1.Condition {
	condition := metav1.Condition{Type: Ready, Status: metav1.ConditionFalse, Reason: "NoRecord", Message: describe(m, found)}
	switch {
	case !m.Watched:
	case m.State == model.Ready:
		condition.Status, condition.Reason, condition.Message = metav1.ConditionTrue, "Watched", "all that it exports is seen"
	case len(m.Faults) > 0:
		condition.Reason = m.Faults[0].Reason
	default:
		condition.Reason = "Joining"
	}
	return condition
}

// advice are reasons of problems of exports that are served all the same.
var advice = []string{"NamespaceDefault", "ManyPorts"}

// exportsIncomplete is the condition ExportsIncomplete; false where it does not apply.
// It names the first export that is not served as a whole, and how many there are.
func exportsIncomplete(m Member) (condition metav1.Condition, applies bool) {
	missing := 0
	for _, one := range m.Exports {
		if slices.Contains(advice, one.Reason) {
			continue
		}
		if missing++; missing == 1 {
			condition = metav1.Condition{Type: ExportsIncomplete, Status: metav1.ConditionTrue, Reason: one.Reason, Message: line(exportText(one))}
		}
	}
	if missing > 1 {
		condition.Message += fmt.Sprintf(" (and %d more)", missing-1)
	}
	return condition, missing > 0
}

// reachable is the condition Reachable.
func reachable(link Link) metav1.Condition {
	yes := func(reason, message string) metav1.Condition {
		return metav1.Condition{Type: Reachable, Status: metav1.ConditionTrue, Reason: reason, Message: line(message)}
	}
	switch {
	case link.OK && link.Hop == "tcp":
		return yes("Connects", "no more than TCP is proved: "+link.Message)
	case link.OK && link.Hop == "tls":
		return yes("LeadsToAgent", "its gateway leads to its agent, and no certificate is proved: "+link.Message)
	case link.OK && link.Hop == "answer":
		return yes("Answers", "its agent answers through its gateway, with a certificate of the mesh")
	case link.OK:
		return yes("Answers", "its gateway lets ours in and answers")
	}
	return metav1.Condition{Type: Reachable, Status: metav1.ConditionFalse, Reason: hopReasons[link.Hop], Message: line(link.Hop + ": " + link.Message)}
}

// addressesKept is the condition AddressesKept.
func addressesKept(addresses Addresses) metav1.Condition {
	condition := metav1.Condition{Type: AddressesKept, Status: metav1.ConditionTrue, Reason: "AsRecorded", Message: "the local istiod is told its advertised addresses"}
	switch {
	case addresses.Problem != "":
		condition.Status, condition.Reason, condition.Message = metav1.ConditionFalse, "NotRestored", line(addresses.Problem)
	case !addresses.Restored.IsZero():
		condition.Reason = "Restored"
		condition.Message = "somebody changed or deleted what tells the local istiod its advertised addresses; restored at " + addresses.Restored.UTC().Format(time.RFC3339)
	}
	return condition
}

// credentialValid is the condition CredentialValid. A member that does not answer
// proves nothing about it.
func credentialValid(m Member, now time.Time) metav1.Condition {
	condition := metav1.Condition{Type: CredentialValid, Status: metav1.ConditionUnknown, Reason: "NotProved", Message: "the member has not answered to it"}
	say := func(status metav1.ConditionStatus, reason, message string) {
		condition.Status, condition.Reason, condition.Message = status, reason, message
	}
	switch {
	case m.Own:
		say(metav1.ConditionTrue, "OwnCluster", "it is the account of the agent's pods")
	case has(m.Faults, "Unauthorized"):
		say(metav1.ConditionFalse, "Unauthorized", "the member refuses it")
	case expired(m, now):
		say(metav1.ConditionFalse, "Expired", "it ended at "+m.Expires.UTC().Format(time.RFC3339))
	case m.State == model.Ready || has(m.Faults, "Forbidden"):
		say(metav1.ConditionTrue, "Accepted", "the member accepts it")
	}
	return condition
}

func expired(m Member, now time.Time) bool { return !m.Expires.IsZero() && !now.Before(m.Expires) }

func has(faults []Fault, reason string) bool {
	for _, one := range faults {
		if one.Reason == reason {
			return true
		}
	}
	return false
}

// lasting gives a condition the time at which its status became what it is.
func lasting(condition metav1.Condition, before []metav1.Condition, now time.Time) metav1.Condition {
	condition.LastTransitionTime = metav1.Time{Time: now.UTC().Truncate(time.Second)}
	for i := range before {
		if before[i].Type == condition.Type && before[i].Status == condition.Status {
			condition.LastTransitionTime = metav1.Time{Time: before[i].LastTransitionTime.UTC()}
		}
	}
	return condition
}
