package translate

import (
	"cmp"
	"fmt"

	"github.com/eastwest-mesh/eastwest/discovery/model"
)

// Problem is something of the view that has no resource. It never stops the rest.
type Problem struct {
	Reason Reason
	// Service is empty where the problem is one of a member.
	Service model.ServiceKey
	// Member is empty where the problem is one of a service.
	Member  model.MemberName
	Message string
}

// Reason says what kind of problem it is, for status conditions.
type Reason string

// The reasons of problems.
const (
	// ProtocolUnsupported: gateways carry TCP only.
	ProtocolUnsupported Reason = "ProtocolUnsupported"
	// NameInvalid: the service's name is no DNS label, so that it could be taken for
	// another one's.
	NameInvalid Reason = "NameInvalid"
	// IdentityInvalid: a member's gateways have no identity of the mesh's trust
	// domain, so that nothing can be sent to them.
	IdentityInvalid Reason = "IdentityInvalid"
	// GatewayMissing: no address is known at which a member of another network can
	// be dialled.
	GatewayMissing Reason = "GatewayMissing"
)

func (p Problem) compare(other Problem) int {
	return cmp.Or(p.Service.Compare(other.Service), cmp.Compare(p.Member, other.Member),
		cmp.Compare(p.Reason, other.Reason), cmp.Compare(p.Message, other.Message))
}

func serviceProblem(key model.ServiceKey, reason Reason, format string, values ...any) Problem {
	return Problem{Reason: reason, Service: key, Message: fmt.Sprintf(format, values...)}
}

func memberProblem(name model.MemberName, reason Reason, format string, values ...any) Problem {
	return Problem{Reason: reason, Member: name, Message: fmt.Sprintf(format, values...)}
}
