package installer

import (
	"fmt"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/eastwest-mesh/eastwest/api/v1alpha1"
	"github.com/eastwest-mesh/eastwest/installer/verify/plain/facts"
	"github.com/eastwest-mesh/eastwest/internal/golden"
)

// agentOf is what a member says whose agent runs; says is what it says of members.
func agentOf(name, region string, says map[string]string) told {
	live := &liveAgent{created: metav1.Unix(1_700_000_000, 0)}
	live.Member.Name, live.Member.Region, live.Mesh = name, region, "shop"
	out := told{live: live, read: facts.Cluster{Agent: facts.Deployment{Found: true, Wanted: 2, Ready: 2}, Members: map[string]facts.Member{}}}
	for other, text := range says {
		code, description, _ := strings.Cut(text, " ")
		out.read.Members[other] = facts.Member{
			Region: map[string]string{"east": "eu-1"}[other],
			Services: &v1alpha1.MemberServices{
				Code: code, Description: description, UpdateTime: metav1.Unix(1_700_000_100, 0), Warnings: []string{"of " + other + " by " + name},
			},
		}
	}
	return out
}

// TestDescribe puts together what several agents say.
func TestDescribe(t *testing.T) {
	t.Parallel()
	off := false
	none := told{read: facts.Cluster{Members: map[string]facts.Member{}}}
	fine := map[string]string{"east": "OK fine", "west": "OK fine"}
	for _, tc := range []struct {
		name   string
		all    func() map[string]told
		silent map[string]string
	}{
		{"all is well", func() map[string]told {
			return map[string]told{"east": agentOf("east", "eu-1", fine), "west": agentOf("west", "", fine)}
		}, nil},
		{"one agent does not reach the other", func() map[string]told {
			return map[string]told{
				"east": agentOf("east", "eu-1", map[string]string{"east": "OK fine", "west": "WARNING broken at tcp; fix: open the way"}),
				"west": agentOf("west", "", fine),
			}
		}, nil},
		{"a cluster is away, and another is not named", func() map[string]told {
			return map[string]told{"west": agentOf("west", "", map[string]string{"east": "OK fine", "west": "OK fine", "north": "FAILED refused"})}
		}, map[string]string{"east": "it does not answer"}},
		{"a cluster that was never joined, and one whose agent is down", func() map[string]told {
			down := agentOf("west", "", map[string]string{"east": "OK fine", "west": "OK fine", "north": "ERROR away"})
			down.read.Agent.Ready = 0
			return map[string]told{"east": none, "west": down}
		}, nil},
		{"off in all", func() map[string]told {
			east := agentOf("east", "eu-1", map[string]string{"east": "FAILED off"})
			east.live.MCS.Enabled = &off
			return map[string]told{"east": east}
		}, nil},
		{"the agents have just been told", func() map[string]told {
			return map[string]told{"east": agentOf("east", "eu-1", nil)}
		}, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			text, err := yaml.Marshal(describe("unknown", tc.all(), tc.silent))
			if err != nil {
				t.Fatal(err)
			}
			golden.Check(t, fmt.Sprintf("testdata/describe/%s.yaml", strings.ReplaceAll(tc.name, " ", "-")), text)
		})
	}
}

// TestWhatIsWaitedFor names the first member that is not as wanted.
func TestWhatIsWaitedFor(t *testing.T) {
	t.Parallel()
	says := agentOf("east", "", map[string]string{
		"east": "OK fine", "west": "WARNING pending; fix: wait", "north": "FAILED " + v1alpha1.MCSOff + "; fix: turn on",
	}).read.Members
	for _, tc := range []struct {
		members   []string
		text, fix string
	}{
		{[]string{"east"}, "", ""},
		{[]string{"east", "west"}, "west: WARNING: pending", "wait"},
		{[]string{"south"}, "its agent says nothing of south", ""},
	} {
		if text, fix := unready(says, tc.members); text != tc.text || fix != tc.fix {
			t.Errorf("%v: got %q and %q", tc.members, text, fix)
		}
	}
	for name, want := range map[string]bool{"east": false, "north": true, "south": false} {
		if text, _ := notOff(says[name]); (text == "") != want {
			t.Errorf("%s: %q", name, text)
		}
	}
	if at := describe("shop", map[string]told{"east": agentOf("east", "", nil)}, nil).CreateTime; at == nil || !at.Time.Equal(time.Unix(1_700_000_000, 0)) {
		t.Errorf("created at %v", at)
	}
}
