package verify

import (
	"context"

	"github.com/eastwest-mesh/eastwest/installer/verify/judge"
)

// Dataplane is what carries the traffic of a mesh, as a run has to know it. One
// serves one run.
type Dataplane interface {
	// Plain says that pods have no sidecar, and services are exported one by one.
	Plain() bool
	// Prepare reads the mesh of all members, before anything is put into them,
	// and completes their plans.
	Prepare(ctx context.Context, s *Scene)
	// Refresh looks again for the names under which a member calls services.
	Refresh(ctx context.Context, s *Scene, m *Member)
	// Host is the name under which a member calls a service of the run; empty as
	// long as there is none.
	Host(m *Member, service string) string
	// Weights are what part of the shared service each version gets of a member's
	// calls, by its configuration in force.
	Weights(ctx context.Context, s *Scene, m *Member) (map[string]float64, error)
	// Diagnose collects evidence about cells that do not answer and judges each.
	Diagnose(ctx context.Context, s *Scene, cells []*Cell)
	// Unseen judges a cell of which nothing could be seen.
	Unseen(c *Cell) judge.Verdict
	// Standing looks at what lets every link learn, whether or not traffic flows.
	Standing(ctx context.Context, s *Scene) []Standing
	// Network is that of a member's test pods; empty where nothing tells.
	Network(m *Member) string
	// Unread is what could not be read of a member.
	Unread(m *Member) []string
	// Order is the IDs of all checks, as a request meets what they are about.
	Order() []string
	// Advice is where to look on.
	Advice() Advice
}

// Standing is something wrong with a link that may answer all the same.
type Standing struct {
	Pair
	judge.Verdict
	// Works says that the link answers.
	Works bool
}

// Advice is the fixes of what a run finds by itself. Each has one %s: the
// consumer's name.
type Advice struct {
	// Flaky is for a link that answers now and then, Skewed for shares that do
	// not fit their weights, Missing for a version that never answers, Weightless
	// for one that gets no weight.
	Flaky, Skewed, Missing, Weightless string
}
