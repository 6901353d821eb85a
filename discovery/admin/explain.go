package admin

import (
	"fmt"
	"slices"
	"strings"

	"github.com/eastwest-mesh/eastwest/discovery/model"
)

// Evidence is what is known of one service, gathered along the data path.
type Evidence struct {
	Service model.ServiceKey
	From    model.Vantage
	// View is nil before there is one.
	View    *model.View
	Members []MemberEvidence
	// Untranslated is what of the service, or of a member, gateways cannot be told.
	Untranslated []Untranslated
	// Here is nil where no gateway of ours serves the own cluster.
	Here *Here
}

// MemberEvidence is what one member says of the service.
type MemberEvidence struct {
	Name model.MemberName
	// Watched is false where no record of it is in use. Description is how it stands,
	// Fix what mends that; empty where nothing is wrong.
	Watched          bool
	State            model.State
	Description, Fix string
	// Service is true where it has a Service that could be exported; Exported and
	// ByPolicy say by what it is.
	Service, Exported, ByPolicy bool
	// Endpoints are watched, of which so many are Serving or Draining; others see
	// those Offered.
	Endpoints, Serving, Draining, Offered int
	// Withheld is why the service is not taken from it, and Remedy what mends that;
	// empty where it is.
	Withheld, Remedy string
	// Dropped are parts of its objects that are not used.
	Dropped []string
	// Unreached is why its gateway is not reached; empty where it is, or nobody tried.
	Unreached string
}

// Untranslated is a problem of a service, or of a member.
type Untranslated struct {
	Member          model.MemberName
	Service         model.ServiceKey
	Reason, Message string
}

// Here is what the own cluster has of the service.
type Here struct {
	// Unknown is why the following could not be read; empty where it was.
	Unknown string
	// Namespace is true where there is one to import into. Derived is the name of
	// the Service that clients call, Found whether it is there.
	Namespace bool
	Derived   string
	Found     bool
	// Listeners are the gateway's ports, by those of the service.
	Listeners map[uint16]uint16
	// ReadyGateways are the gateway's pods that are ready; Gateways are connected to
	// this replica of the agent.
	ReadyGateways int
	Gateways      []GatewayEvidence
}

// GatewayEvidence is a gateway that is connected.
type GatewayEvidence struct {
	Node string
	// Nack is what it refused last and still has not accepted; empty where nothing.
	Nack    string
	Pending bool
}

// Step is one thing that must be so for an endpoint to be reached.
type Step struct {
	Member model.MemberName `json:"member,omitempty"`
	Step   string           `json:"step"`
	OK     bool             `json:"ok"`
	Why    string           `json:"why"`
	Fix    string           `json:"fix,omitempty"`
}

// Explanation answers why an endpoint is absent: the steps in the order of the
// data path. Verdict is the first that is not so.
type Explanation struct {
	Service string           `json:"service"`
	From    model.MemberName `json:"from"`
	OK      bool             `json:"ok"`
	Verdict string           `json:"verdict"`
	Steps   []Step           `json:"steps"`
}

// Explain walks along the data path, for one member or for all that have anything
// to do with the service.
func Explain(e Evidence, only model.MemberName) Explanation {
	w := &walk{e: e}
	for i := range e.Members {
		one := &e.Members[i]
		if only == one.Name || only == "" && (one.Service || one.Exported || one.Offered > 0) {
			w.member(one)
		}
	}
	if len(w.steps) == 0 {
		w.fail("", "export", "no member has a Service or a ServiceExport of this name", "export it in a member: a ServiceExport beside its Service")
	}
	if e.Here != nil && e.View != nil && e.View.Services.Get(e.Service) != nil {
		w.here()
	}
	return w.explanation()
}

func (e *Evidence) member(name model.MemberName) *MemberEvidence {
	for i := range e.Members {
		if e.Members[i].Name == name {
			return &e.Members[i]
		}
	}
	return nil
}

type walk struct {
	e     Evidence
	steps []Step
}

func (w *walk) pass(member model.MemberName, step, format string, values ...any) {
	w.steps = append(w.steps, Step{Member: member, Step: step, OK: true, Why: fmt.Sprintf(format, values...)})
}

func (w *walk) fail(member model.MemberName, step, why, fix string) {
	w.steps = append(w.steps, Step{Member: member, Step: step, Why: why, Fix: fix})
}

func (w *walk) explanation() Explanation {
	out := Explanation{Service: w.e.Service.String(), From: w.e.From.Member, OK: true, Steps: w.steps}
	out.Verdict = "everything on the way is in order; if calls fail, ask the gateway: eastwest verify"
	for _, step := range w.steps {
		if step.OK {
			continue
		}
		out.OK, out.Verdict = false, step.Why
		if step.Member != "" {
			out.Verdict = fmt.Sprintf("member %s: %s", step.Member, step.Why)
		}
		break
	}
	return out
}

// member walks from a member's API up to the view. What follows a step that is
// missing altogether would only repeat it.
func (w *walk) member(m *MemberEvidence) {
	if !w.watched(m) || !w.exported(m) || !w.endpoints(m) {
		return
	}
	w.merged(m)
	w.reached(m)
}

func (w *walk) watched(m *MemberEvidence) bool {
	if m.Watched && m.State == model.Ready {
		w.pass(m.Name, "member", "it is watched")
		return true
	}
	w.fail(m.Name, "member", m.Description, m.Fix)
	// What it offered last may be in use, and then this need not be the reason.
	return m.Watched && (m.State != model.Joining || m.Offered > 0)
}

func (w *walk) exported(m *MemberEvidence) bool {
	if !m.Service && !m.Exported && m.State != model.Ready && m.Offered > 0 {
		w.pass(m.Name, "export", "its objects have not been read, and what it offered before is in use")
		return true
	}
	if m.Service {
		w.pass(m.Name, "service", "the Service is there")
	} else {
		w.fail(m.Name, "service", fmt.Sprintf("there is no Service %s that could be exported", w.e.Service), "make the Service; one of type ExternalName cannot be exported")
	}
	switch {
	case m.Exported:
		w.pass(m.Name, "export", "there is a ServiceExport")
	case m.ByPolicy:
		w.pass(m.Name, "export", "the agent's configuration exports it")
	default:
		w.fail(m.Name, "export", "nothing exports it", fmt.Sprintf(
			"make a ServiceExport %s in namespace %s of the member, or name it in exports of the agents' configuration", w.e.Service.Name, w.e.Service.Namespace))
	}
	if m.Withheld != "" {
		w.fail(m.Name, "taken", m.Withheld, m.Remedy)
	}
	if !m.Service || m.Withheld != "" || !m.Exported && !m.ByPolicy {
		return m.Offered > 0
	}
	w.pass(m.Name, "taken", "the export is taken")
	return true
}

func (w *walk) endpoints(m *MemberEvidence) bool {
	const step = "endpoints"
	if len(m.Dropped) > 0 {
		w.fail(m.Name, "dropped", "parts of its objects are not used: "+strings.Join(m.Dropped, "; "),
			"correct the objects, or what the member's record declares of its addresses")
	}
	switch {
	case m.Serving > 0 && m.Offered > 0:
		w.pass(m.Name, step, "%d of %d endpoints are ready", m.Serving, m.Endpoints)
	case m.Draining > 0 && m.Offered > 0:
		w.pass(m.Name, step, "no endpoint is ready, and %d that are terminating still serve", m.Draining)
	case m.Endpoints > 0 && m.Serving+m.Draining > 0:
		w.fail(m.Name, step, fmt.Sprintf("of %d endpoints none is taken: the member is over a limit", m.Endpoints), "export less, or raise limits in the agent's configuration")
		return false
	case m.Endpoints > 0:
		w.fail(m.Name, step, fmt.Sprintf("none of %d endpoints is ready", m.Endpoints), "see why its pods are not ready")
		return false
	case m.Offered > 0:
		w.pass(m.Name, step, "%d endpoints of before are in use", m.Offered)
	default:
		w.fail(m.Name, step, "it has no endpoints", "see whether the selector of its Service finds pods")
		return false
	}
	return true
}

func (w *walk) merged(m *MemberEvidence) {
	const step = "view"
	if w.e.View == nil {
		w.fail(m.Name, step, "there is no view yet", "wait until the other members are listed; see /members")
		return
	}
	service := w.e.View.Services.Get(w.e.Service)
	if service == nil {
		w.fail(m.Name, step, "the view does not have the service yet", "ask again; if it stays so, see the agent's log")
		return
	}
	at := slices.IndexFunc(service.Backends, func(one model.Backend) bool { return one.Member == m.Name })
	var lost []string
	for _, conflict := range service.Conflicts {
		if slices.Contains(conflict.Losers, m.Name) {
			lost = append(lost, string(conflict.Reason)+": "+conflict.Message)
		}
	}
	const fix = "make the Services of all members that export it alike"
	switch {
	case at < 0 && len(lost) > 0:
		w.fail(m.Name, step, "none of its ports is used: "+strings.Join(lost, "; "), fix)
	case at < 0:
		w.fail(m.Name, step, "the view has no endpoint of it yet", "ask again; if it stays so, see the agent's log")
	case len(service.Backends[at].Ports) < len(service.Ports) && len(lost) > 0:
		w.fail(m.Name, step, fmt.Sprintf("it serves only %q: %s", service.Backends[at].Ports, strings.Join(lost, "; ")), fix)
	default:
		w.pass(m.Name, step, "its endpoints are in the view")
	}
}

// reached is whether the own gateway has a way to the member.
func (w *walk) reached(m *MemberEvidence) {
	const step = "way"
	if w.e.View == nil || w.e.Here == nil {
		return
	}
	member := w.e.View.Members[m.Name]
	if member == nil {
		return
	}
	for _, one := range w.e.Untranslated {
		if one.Member == m.Name {
			w.fail(m.Name, step, one.Reason+": "+one.Message, "see /members")
			return
		}
	}
	if member.Network == w.e.From.Network {
		w.pass(m.Name, step, "its pods are on the own network")
		return
	}
	at := addresses(member.Gateways)
	if m.Unreached != "" {
		w.fail(m.Name, step, fmt.Sprintf("its gateway at %s is not reached: %s", at, m.Unreached), "see /members")
	} else {
		w.pass(m.Name, step, "through its gateway at %s", at)
	}
	if member.Demoted {
		w.fail(m.Name, "priority", "its endpoints are used only where nobody else has one: its API has been lost for long, and its gateway does not answer", "see /members")
	}
}

// addresses are those of gateways, with the names that they are of.
func addresses(gateways []model.HostPort) string {
	var out []string
	for _, one := range gateways {
		text := one.String()
		if one.Name != "" {
			text += " (" + one.Name + ")"
		}
		out = append(out, text)
	}
	return strings.Join(out, ", ")
}
