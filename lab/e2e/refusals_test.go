//go:build e2e

package e2e

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/eastwest-mesh/eastwest/lab/internal/mesh"
)

// refusal is a command that must be refused with nothing written.
type refusal struct {
	// arrange, if set, sets clusters up that cannot be joined, and returns how to
	// undo it.
	arrange func(t *testing.T) (undo func())
	args    []string
	exit    int
	// says are parts of stderr: check, values, fix.
	says []string
	// probes says that a throwaway pod may be made where no read can answer.
	probes bool
}

// testRefusals runs commands on clusters that were never joined.
func testRefusals(t *testing.T) {
	wantApart(t)
	table := refusals(t)
	for _, name := range slices.Sorted(maps.Keys(table)) {
		t.Run(name, table[name].run)
	}
}

// run checks a refusal and leaves the clusters apart.
func (r refusal) run(t *testing.T) {
	defer func() {
		if t.Failed() { // it may have done what it should have refused
			suite.state = unknown
			wantApart(t)
		}
	}()
	if r.arrange != nil {
		defer r.arrange(t)()
	}
	r.check(t)
}

// check runs the command: it must be refused in the right words, with nothing
// written.
func (r refusal) check(t *testing.T) {
	before := mark(t)
	got := eastwest(t, r.args...)
	if got.exit != r.exit {
		t.Errorf("exit code %d, want %d\n%s", got.exit, r.exit, got)
	}
	got.wantErr(t, r.says...)
	for i := 1; i <= 3; i++ {
		for _, one := range before.requests(t, i) {
			if one.stores() && (!r.probes || one.ObjectRef.Resource != "pods") {
				t.Errorf("it wrote to c%d: %s %s", i, one.Verb, one.RequestURI)
			}
		}
	}
	if r.exit == 2 {
		if all, _ := before.count(t); all > 0 {
			t.Errorf("bad input, yet clusters were asked %d times", all)
		}
	}
}

// createMesh are arguments of create-mesh on clusters, and some more.
func createMesh(indices []int, more ...string) []string {
	return join([]string{"create-mesh"}, members(indices...), more)
}

func refusals(t *testing.T) map[string]refusal {
	return map[string]refusal{
		"roots differ before joining": {
			args: createMesh([]int{1, 2}), exit: 4,
			says: []string{"c1", "c2", "root", "fix: "},
		},
		"roots differ and up may not make new ones": {
			args: join([]string{"up", "--source-ranges", suite.lab.BridgeCIDR}, members(1, 2)), exit: 4,
			says: []string{"root", "--init-trust"},
		},
		"C03 the same cluster twice": {
			args: []string{"create-mesh", "--kubeconfig", "a=" + twoContexts(t) + "#first", "--kubeconfig", "b=" + twoContexts(t) + "#second"}, exit: 4,
			says: []string{"DuplicateCluster", "a and b", "fix: name each cluster once"},
		},
		"C06 another network than istiod's": {
			args: join([]string{"up", "--network", "c1=elsewhere", "--source-ranges", suite.lab.BridgeCIDR}, members(1, 2)), exit: 4,
			says: []string{"NetworkMismatch", "elsewhere", "net-c1", "fix: "},
		},
		"C06 an empty network": {
			args: join([]string{"up", "--network", "c1=", "--source-ranges", suite.lab.BridgeCIDR}, members(1, 2)), exit: 2,
			says: []string{"network", "fix: "},
		},
		"C07 mesh IDs differ": {
			arrange: func(t *testing.T) func() {
				return reinstall(t, 2, func(i *mesh.Install) { i.MeshID = "other-mesh" })
			},
			args: createMesh([]int{1, 2}), exit: 4,
			says: []string{"MeshIDMismatch", "c1: lab-mesh", "c2: other-mesh", "fix: ", "values.global.meshID"},
		},
		"C07 trust domains differ": {
			arrange: func(t *testing.T) func() {
				return reinstall(t, 2, func(i *mesh.Install) {
					i.Values = append(slices.Clone(i.Values), "meshConfig.trustDomain=other.domain")
				})
			},
			args: createMesh([]int{1, 2}), exit: 4,
			says: []string{"TrustDomainMismatch", "c1: cluster.local", "c2: other.domain", "fix: ", "trustDomainAliases"},
		},
		"C17 up without source ranges": {
			args: without(upArgs(1, 2), "--source-ranges", suite.lab.BridgeCIDR), exit: 4,
			says: []string{"PublicGateway", "--source-ranges", "--public"},
		},
		"C17 gateway for the whole Internet": {
			args: join([]string{"gateway", "--source-ranges", "0.0.0.0/0"}, members(1)), exit: 4,
			says: []string{"PublicGateway", "0.0.0.0/0", "--public"},
		},
		"C17 source ranges that are none": {
			args: join([]string{"gateway", "--source-ranges", "10.0.0.0/33"}, members(1)), exit: 2,
			says: []string{"10.0.0.0/33", "fix: "},
		},
		"C18 a revision that is not there": {
			args: createMesh([]int{1, 2}, "--revision", "nosuch"), exit: 4,
			says: []string{"RevisionNotFound", "cluster c1", "cluster c2", `"nosuch"`, "it has asm-1232-2"},
		},
		"C18 Istio versions too far apart": {
			arrange: func(t *testing.T) func() { return claimVersion(t, 2, "1.24.1") },
			args:    createMesh([]int{1, 2}), exit: 4,
			says: []string{"IstioVersionSkew", "c1: 1.31", "c2: 1.24.1", "fix: "},
		},
		"C18 Istio's CRDs are missing": {
			arrange: func(t *testing.T) func() { return dropCRDs(t, 3) },
			args:    createMesh([]int{1, 3}), exit: 4,
			says: []string{"MissingCRDs", "cluster c3", "networking.istio.io", "fix: "},
		},
		"one network name on two members that do not reach each other": {
			arrange: func(t *testing.T) func() {
				return reinstall(t, 2, func(i *mesh.Install) { i.Network = "net-c1" })
			},
			args: createMesh([]int{1, 2}), exit: 4, probes: true,
			says: []string{"SameNetwork", `"net-c1"`, "values.global.network=net-c2", "--force-same-network"},
		},
		"two members with one cluster ID": {
			arrange: func(t *testing.T) func() {
				return reinstall(t, 2, func(i *mesh.Install) { i.ClusterID = "c1" })
			},
			args: createMesh([]int{1, 2}), exit: 4,
			says: []string{"DuplicateClusterID", `"c1"`, "values.global.multiCluster.clusterName=c2"},
		},
		"cluster ID and secret key differ": {
			arrange: func(t *testing.T) func() {
				secret := istioctl(t, 2, "", "create-remote-secret", "--name", "wrong")
				apply(t, 1, secret)
				return func() { remove(t, 1, secret); forgetReader(t, 2) }
			},
			args: createMesh([]int{1, 2}), exit: 4,
			says: []string{"RemoteSecretKeyMismatch", `"wrong"`, `"c2"`, "delete secret istio-remote-secret-wrong"},
		},
	}
}

// without takes a run of arguments out.
func without(args []string, run ...string) []string {
	for i := range args {
		if len(args)-i >= len(run) && slices.Equal(args[i:i+len(run)], run) {
			return slices.Concat(args[:i], args[i+len(run):])
		}
	}
	return args
}

// testGenWarns is the other half of C17: the drop-in for the guide's script
// warns and goes on.
func testGenWarns(t *testing.T) {
	r := must(t, "gen-eastwest-gateway", "--mesh", "lab-mesh", "--cluster", "c1", "--network", "net-c1",
		"--revision", revision(), "--source-ranges", "0.0.0.0/0")
	if !strings.Contains(r.stderr, "warning") || !strings.Contains(r.stdout, "kind: IstioOperator") {
		t.Errorf("want a warning on stderr and the gateway on stdout\n%s", r)
	}
}
