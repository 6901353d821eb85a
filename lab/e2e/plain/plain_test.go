//go:build e2e

package plain

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/eastwest-mesh/eastwest/lab/e2e/internal/rig"
)

// proof is what is read of a verification.
type proof struct {
	Passed bool
	Links  []struct {
		Consumer, Producer, State, Hop, Check string
		Sent, Good                            int
		P50ms, P99ms                          float64
	}
	Shared []struct {
		Consumer, State string
		Sent, Good      int
		Versions        []struct {
			Version string
			Weight  float64
			Count   int
		}
	}
	Findings []struct {
		Check, Hop, Severity, Cluster, Object, Seen, Fix string
		Links                                            []string
		TrafficWorks                                     bool
	}
}

// wantFull wants every link and every version to answer every time.
func (p proof) wantFull(t *testing.T) {
	t.Helper()
	if !p.Passed || len(p.Links) != 4 || len(p.Shared) != 2 {
		t.Errorf("passed %v with %d links, %d shares: %+v", p.Passed, len(p.Links), len(p.Shared), p.Findings)
	}
	for _, l := range p.Links {
		if l.State != "ok" || l.Sent < 20 || l.Good != l.Sent || l.P99ms <= 0 {
			t.Errorf("link %+v", l)
		}
	}
	for _, s := range p.Shared {
		if s.State != "ok" || s.Good != s.Sent || len(s.Versions) != 2 {
			t.Errorf("shared service: %+v", s)
		}
		for _, v := range s.Versions {
			if v.Weight != 0.5 || v.Count == 0 {
				t.Errorf("shared service from %s: %+v", s.Consumer, v)
			}
		}
	}
}

// wantFinding wants a failure that names a hop of some links.
func (p proof) wantFinding(t *testing.T, check, hop, cluster string, links ...string) {
	t.Helper()
	for _, f := range p.Findings {
		if f.Check == check && f.Hop == hop && f.Cluster == cluster && f.Severity == "fail" && slices.Equal(f.Links, links) {
			if f.Seen == "" || f.Fix == "" {
				t.Errorf("finding %s says too little: %+v", check, f)
			}
			return
		}
	}
	t.Errorf("no finding %s at hop %s of %s about %q: %+v", check, hop, cluster, links, p.Findings)
}

// testPlainUp makes the mesh; up proves it by itself.
func testPlainUp(t *testing.T) {
	r := suite.Run(t, 0, up("-o", "json")...)
	var answer struct {
		Verification proof
		dnsRows
	}
	r.Decode(t, &answer)
	answer.Verification.wantFull(t)
	answer.wantPointed(t, "1.0.0")
	t.Logf("up with its proof took %s", r.Took.Round(time.Second))
}

// testPlainAgain wants nothing to do for any step of a mesh that is whole.
func testPlainAgain(t *testing.T) {
	before := suite.Snapshots(t)
	for _, step := range [][]string{
		up("--no-verify", "-o", "json"),
		slices.Concat([]string{"create-mesh"}, suite.Members(), []string{"-o", "json"}),
	} {
		r := suite.Run(t, 0, step...)
		var report struct {
			Clusters []struct {
				Name    string
				Changes []struct{ Action, Kind, Namespace, Name string }
			}
		}
		r.Decode(t, &report)
		for _, c := range report.Clusters {
			if len(c.Changes) == 0 {
				t.Errorf("%s: %s looked at nothing", c.Name, step[0])
			}
			for _, change := range c.Changes {
				if change.Action != "unchanged" {
					t.Errorf("%s: %s: %+v", c.Name, step[0], change)
				}
			}
		}
	}
	suite.Run(t, 0, slices.Concat([]string{"doctor"}, suite.Members())...)
	suite.WantSame(t, before)
}

func testPlainStatus(t *testing.T) {
	r := suite.Run(t, 0, slices.Concat([]string{"status"}, suite.Members(), []string{"-o", "json"})...)
	var status struct {
		Dataplane string
		Members   []struct {
			Agent, DNS string
			Gateway    []string
		}
		Links []struct {
			State        string
			ReadsSecrets bool
		}
	}
	r.Decode(t, &status)
	if status.Dataplane != "envoy" || len(status.Members) != 2 || len(status.Links) != 2 {
		t.Fatalf("status %+v", status)
	}
	for _, m := range status.Members {
		if m.Agent != "2/2" || m.DNS != "pointed" || len(m.Gateway) != 1 {
			t.Errorf("member %+v", m)
		}
	}
	for _, l := range status.Links {
		if l.State != "ready" || l.ReadsSecrets {
			t.Errorf("link %+v", l)
		}
	}
}

// testPlainNamespace works in a namespace that is there, and leaves it as it was.
func testPlainNamespace(t *testing.T) {
	suite.Each(func(i int) { suite.Kubectl(t, i, "create", "namespace", "sample") })
	defer suite.Each(func(i int) { suite.Kubectl(t, i, "delete", "namespace", "sample") })
	before := suite.Snapshots(t)
	r := suite.Run(t, 0, verify("--namespace", "sample", "-o", "json")...)
	var p proof
	r.Decode(t, &p)
	p.wantFull(t)
	suite.WantSame(t, before)
}

// testPlainInterrupted ends a run in the middle: it cleans up and exits with 6.
func testPlainInterrupted(t *testing.T) {
	before := suite.Snapshots(t)
	ctx, cancel := rig.Bounded(t, 2*time.Minute)
	defer cancel()
	cmd := suite.Command(ctx, t, verify("--namespace", "interrupted")...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	err := rig.WaitFor(t, time.Minute, func(ctx context.Context) error {
		out, err := suite.Try(ctx, 1, "-n", "interrupted", "get", "svc", "-l", "eastwest.dev/derived=true", "-o", "name")
		if err == nil && out == "" {
			err = errors.New("no derived Service yet")
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	if err := cmd.Process.Signal(unix.SIGINT); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if got := cmd.ProcessState.ExitCode(); got != 6 {
		t.Errorf("exit code %d, want 6", got)
	}
	suite.WantSame(t, before)
}

// wantApart takes down what an earlier run left.
func wantApart(t *testing.T) {
	t.Helper()
	suite.Each(func(i int) {
		suite.Rejoin(t, i)
		suite.Kubectl(t, i, "delete", "namespace", "sample", "interrupted", "named", "--ignore-not-found")
	})
	suite.Down(t)
}

// up and verify are the arguments of those commands.
func up(more ...string) []string { return suite.Up(append(suite.Members(), more...)...) }

func verify(more ...string) []string {
	return slices.Concat([]string{"verify"}, suite.Members(), rig.Images(), more)
}

// testPlainDown takes the mesh down to the last object; a second run has nothing to
// do.
func testPlainDown(t *testing.T) {
	for range 2 {
		suite.Down(t)
		suite.WantSame(t, suite.baseline)
	}
}
