package verify

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/eastwest-mesh/eastwest/installer/verify/harness"
	"github.com/eastwest-mesh/eastwest/installer/verify/judge"
	"github.com/eastwest-mesh/eastwest/installer/verify/traffic"
	"github.com/eastwest-mesh/eastwest/internal/podexec"
	"github.com/eastwest-mesh/eastwest/internal/podforward"
)

// Scene is what a run works on: members and the links between them. Its lists are
// made before goroutines start; each goroutine then writes only into its own
// member or cell.
type Scene struct {
	Options
	Members []*Member
	Cells   []*Cell
}

// Step tells of progress; cluster is empty for all.
func (s *Scene) Step(cluster, format string, args ...any) {
	s.Progress(cluster, fmt.Sprintf(format, args...))
}

// Each runs fn for every member that takes part, all at once, and waits.
func (s *Scene) Each(fn func(*Member)) {
	var all sync.WaitGroup
	for _, m := range s.Members {
		if m.Err == nil {
			all.Go(func() { fn(m) })
		}
	}
	all.Wait()
}

// Of are the cells in which a member calls.
func (s *Scene) Of(consumer *Member) []*Cell {
	var all []*Cell
	for _, c := range s.Cells {
		if c.Consumer == consumer {
			all = append(all, c)
		}
	}
	return all
}

// Member is a cluster during a run.
type Member struct {
	Cluster
	// Version is what its helloworld says.
	Version string
	// Plan is what is put into it.
	Plan harness.Plan
	// Err is why it takes no part any more.
	Err error
	// Sleep calls and Hello answers; a nil pod does not.
	Sleep, Hello harness.Workload

	site harness.Site
	// made says that there may be something to remove; contacted that its API
	// server answered at first.
	made, contacted bool
}

// Calls says that the member has a pod to call from.
func (m *Member) Calls() bool { return m.Err == nil && m.Sleep.Ready }

// Answers says that the member has a pod to be called.
func (m *Member) Answers() bool { return m.Err == nil && m.Hello.Ready }

func (m *Member) harness() harness.Cluster {
	return harness.Cluster{Name: m.Name, Revision: m.Cluster.Revision, Kube: m.Kube, Dynamic: m.Dynamic}
}

// execBound is above all that a script of ours may take.
const execBound = 45 * time.Second

// Run runs a command in a pod of the member. A probe never outlives its bound,
// however dead the cluster is.
func (m *Member) Run(ctx context.Context, target podexec.Target, command ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, execBound)
	defer cancel()
	if m.Exec != nil {
		return m.Exec(ctx, target, command...)
	}
	return podexec.Run(ctx, m.Config, m.Kube, target, command...)
}

// Request asks a port of a pod of the member for a path, within the same bound.
func (m *Member) Request(ctx context.Context, target podforward.Target, path string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, execBound)
	defer cancel()
	if m.Ask != nil {
		return m.Ask(ctx, target, path)
	}
	return podforward.Get(ctx, m.Config, m.Kube, target, path)
}

// InSleep runs a command beside curl.
func (m *Member) InSleep(ctx context.Context, command ...string) ([]byte, error) {
	return m.Run(ctx, podexec.Target{Namespace: m.Plan.Namespace, Pod: m.Sleep.Pod.Name, Container: harness.SleepName}, command...)
}

// Dial asks addresses once from the member's sleep pod, and returns the newest
// answer of each by the target's name. Those of which nothing came are missing.
func (m *Member) Dial(ctx context.Context, targets []traffic.Target) map[string]traffic.Answer {
	dials := map[string]traffic.Answer{}
	if len(targets) == 0 || !m.Calls() {
		return dials
	}
	output, _ := m.InSleep(ctx, traffic.Once(askBound, targets)...)
	for name, answers := range traffic.Parse(output) {
		dials[name] = answers[len(answers)-1]
	}
	return dials
}

// Cell is one link during a run.
type Cell struct {
	Consumer, Producer *Member
	// Expected says that the link must work.
	Expected bool
	// Answered says that it did at least once; Last is its newest bad answer.
	Answered bool
	Last     traffic.Answer
	// Verdict is what was judged of it.
	Verdict *judge.Verdict

	answers []traffic.Answer
}

// Pair names the two members.
func (c *Cell) Pair() Pair { return Pair{c.Consumer.Name, c.Producer.Name} }

// Self says that both ends are the same member.
func (c *Cell) Self() bool { return c.Consumer == c.Producer }

// Service is the one that has pods in the producer only.
func (c *Cell) Service() string { return harness.LinkName(c.Producer.Name) }

// Testable says that both ends are there to be tested.
func (c *Cell) Testable() bool { return c.Expected && c.Consumer.Calls() && c.Producer.Answers() }

// plan is what the run puts into a member's cluster.
func (r *run) plan(m *Member, index int, names []string) harness.Plan {
	p := harness.Plan{
		Run: r.Run, Namespace: r.Namespace, Member: m.Name, Members: names, Version: m.Version,
		HelloImage: r.Images.Helloworld, SleepImage: r.Images.Sleep, Keep: r.Keep, Plain: r.dataplane.Plain(),
		Exported: r.dataplane.Plain() || m.Exported,
	}
	if index == 1 {
		p.HelloImage = r.Images.HelloworldV2
	}
	return p
}
