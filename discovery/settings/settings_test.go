package settings

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/eastwest-mesh/eastwest/internal/problem"
)

const least = `apiVersion: eastwest.dev/v1alpha1
kind: AgentConfig
member: {name: east, network: net-east}
mesh: shop
`

func TestTheLeastFileGetsAllDefaults(t *testing.T) {
	t.Parallel()
	got, err := Decode([]byte(least))
	if err != nil {
		t.Fatal(err)
	}
	file := got.File
	if file.Member.ClusterID != "east" || file.TrustDomain != "cluster.local" || file.DataPlane != DataPlaneEnvoy ||
		file.Members.Source != SourceSecrets || file.Members.Namespace != "eastwest-system" ||
		file.Listen.XDS != ":15012" || file.Listen.Admin != "127.0.0.1:15014" || file.Listen.Health != ":15020" ||
		*file.Limits.Services != 5000 || *file.Limits.Endpoints != 100_000 || *file.Limits.Bytes != 64<<20 || *file.Limits.EventsPerSecond != 2000 || *file.Limits.Checks != 1000 ||
		file.Locality.Prefer != "none" {
		t.Errorf("got %+v", file)
	}
	if got.StaleAfter != 15*time.Minute || got.SyncDeadline != 10*time.Second {
		t.Errorf("got %v and %v", got.StaleAfter, got.SyncDeadline)
	}
	if record := got.Record(); record.Name != "east" || record.Network != "net-east" ||
		record.Identity != "spiffe://cluster.local/ns/eastwest-system/sa/gateway-east" {
		t.Errorf("got %+v", record)
	}
}

func TestWhatIsSaidIsKept(t *testing.T) {
	t.Parallel()
	got, err := Decode([]byte(least + `trustDomain: mesh.example
dataPlane: none
exports: {policy: [{namespace: shop, name: '*'}]}
members: {source: folder, folder: /etc/members}
limits: {services: 1, endpoints: 2, bytes: 3, eventsPerSecond: 4, checks: 0}
locality: {prefer: nearest}
staleAfter: 1h
syncDeadline: 3s
listen: {xds: '[::1]:1', admin: localhost:2, health: 0.0.0.0:3}
snapshot: {folder: /var/lib/eastwest}
`))
	if err != nil {
		t.Fatal(err)
	}
	if file := got.File; file.DataPlane != DataPlaneNone || file.Exports.Policy[0].Name != "*" || *file.Limits.EventsPerSecond != 4 || *file.Limits.Checks != 0 || file.Locality.Prefer != "nearest" ||
		got.StaleAfter != time.Hour || file.Snapshot.Folder != "/var/lib/eastwest" || got.SyncDeadline != 3*time.Second {
		t.Errorf("got %+v", got)
	}
}

func TestRejects(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		text string
		want []string
	}{
		"nothing": {"", []string{"empty"}},
		"no YAML": {"a: b: c", []string{"mapping values are not allowed"}},
		"nothing of substance": {"mesh: shop\n", []string{
			"apiVersion and kind must be", "member.name: name \"\" is empty", "member.network is empty",
		}},
		"an unknown key":              {least + "colour: red\n", []string{`line 5: unknown field "colour"`}},
		"a repeated key":              {least + "mesh: other\n", []string{`line 5: duplicate field "mesh"`}},
		"an admin port for everybody": {least + "listen: {admin: ':15014'}\n", []string{`listen.admin ":15014" is not on loopback`}},
		"an admin port on a network":  {least + "listen: {admin: '192.0.2.1:15014'}\n", []string{`listen.admin "192.0.2.1:15014" is not on loopback`}},
		"a bad duration":              {least + "staleAfter: 15 minutes\n", []string{`staleAfter "15 minutes" is not a duration`}},
		"a negative duration":         {least + "syncDeadline: -1s\n", []string{`syncDeadline "-1s" is shorter than a second`}},
		"a quota of 0":                {least + "limits: {services: 0}\n", []string{"limits.services is 0"}},
		"a negative quota":            {least + "limits: {bytes: -5}\n", []string{"limits.bytes is -5"}},
		"a preference":                {least + "locality: {prefer: cheapest}\n", []string{`locality.prefer: "cheapest" is none of none, nearest`}},
		"no exporters at all":         {least + "limits: {exportersPerService: 0, portsPerService: -1, endpointsPerService: 3000000000}\n", []string{"limits.exportersPerService is 0", "limits.portsPerService is -1", "limits.endpointsPerService is 3000000000"}},
		"checks below none":           {least + "limits: {checks: -1}\n", []string{"limits.checks is -1: it must be from 0 to 20000"}},
		"checks for a whole core":     {least + "limits: {checks: 20001}\n", []string{"limits.checks is 20001"}},
		"a data plane":                {least + "dataPlane: nginx\n", []string{`dataPlane "nginx" is not one of envoy, none`}},
		"a dialect":                   {least + "mcs: {foreign: [{group: istio.io, owner: x}]}\n", []string{`mcs.foreign[0].group "istio.io" is not one of multicluster.x-k8s.io, net.gke.io`}},
		"a source":                    {least + "members: {source: etcd}\n", []string{`members.source "etcd" is not one of secrets, folder`}},
		"a folder without path":       {least + "members: {source: folder}\n", []string{`members.folder "" is not an absolute path`}},
		"a folder unasked":            {least + "members: {folder: /x}\n", []string{"members.folder is set, but members.source is secrets"}},
		"an address":                  {least + "listen: {xds: 15012}\n", []string{`"listen.xds" must be a text, not number`}},
		"an address of no IP":         {least + "listen: {xds: 'a_b:1'}\n", []string{`listen.xds "a_b:1" is not an address`}},
		"an export of a wildcard": {least + "exports: {policy: [{namespace: '*', name: 'a.b', prefer: 'own,own'}]}\n", []string{
			`exports.policy[0].namespace "*" is not a DNS-1123 label`, `exports.policy[0].name "a.b" is neither`, `exports.policy[0].prefer: "own" is in it twice`,
		}},
		"an audience of no service": {least + "admit: [{namespace: shop, name: 'a b', members: [East]}, {namespace: shop, name: web}, {namespace: shop, name: web}]\n", []string{
			`admit[0]: "shop/a b" is not the name of a service`, `admit[0].members:`, `admit[2]: "shop/web" is named twice`,
		}},
		"a facade in a relative folder": {least + "facade: {folder: x}\n", []string{`facade.folder "x" is not an absolute path`}},
		"a probe that cannot be": {
			least + "probe: {authority: istiod, token: x, root: roots, listen: z}\n", []string{
				`probe.authority "istiod" is not HOST:PORT`, "probe.authority is set, but dataPlane is envoy", `probe.listen "z" is not an address`,
				`probe.root "roots" is not an absolute path`, `probe.token "x" is not an absolute path`,
			},
		},
		"all of A01 at once": {
			strings.Replace(least, "name: east", "name: East", 1) + "colour: red\nstaleAfter: soon\nlimits: {endpoints: 0, bytes: many}\ntrustDomain: a_b\n",
			[]string{
				`line 5: unknown field "colour"`, `line 7: "limits.bytes" must be a whole number, not string`,
				"member.name: name \"East\"", "trustDomain \"a_b\" is not a DNS name", "limits.endpoints is 0", `staleAfter "soon" is not a duration`,
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := Decode([]byte(tc.text))
			all := problem.All(err)
			if len(all) != len(tc.want) {
				t.Fatalf("got %d problems, want %d:\n%v", len(all), len(tc.want), err)
			}
			if code := problem.ExitCode(err); code != problem.ExitInput {
				t.Errorf("exit code %d", code)
			}
			for i, want := range tc.want {
				if !strings.Contains(all[i].Error(), want) || all[i].Code != CodeInvalid {
					t.Errorf("problem %d is %q, want %q", i, all[i], want)
				}
			}
		})
	}
}

func TestLoad(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "agent.yaml")
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(least)
	if _, err := Load(path); err != nil {
		t.Error(err)
	}
	write(least + "a: 1\nb: 2\n")
	_, err := Load(path)
	var got []string
	for _, one := range problem.All(err) {
		got = append(got, one.Object)
	}
	if diff := cmp.Diff([]string{path, path}, got); diff != "" {
		t.Errorf("the file is not named in each (-want +got)\n%s", diff)
	}
	for _, wrong := range []string{dir, filepath.Join(dir, "none")} {
		if _, err := Load(wrong); problem.ExitCode(err) != problem.ExitInput {
			t.Errorf("%s: got %v", wrong, err)
		}
	}
}
