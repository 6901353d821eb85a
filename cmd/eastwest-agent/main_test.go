package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// asMain has the test's own binary be the agent.
const asMain = "EASTWEST_TEST_AS_MAIN"

func TestMain(m *testing.M) {
	if os.Getenv(asMain) != "" {
		main()
	}
	os.Exit(m.Run())
}

// run runs the agent as a process of its own.
func run(t *testing.T, args ...string) (exit int, stdout, stderr string) {
	t.Helper()
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), binary, args...)
	cmd.Env = append(os.Environ(), asMain+"=1")
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	err = cmd.Run()
	var ended *exec.ExitError
	if errors.As(err, &ended) {
		return ended.ExitCode(), out.String(), said.String()
	}
	if err != nil {
		t.Fatal(err)
	}
	return 0, out.String(), said.String()
}

const wrong = `apiVersion: eastwest.dev/v1alpha1
kind: AgentConfig
member: {name: east, network: net-east}
mesh: shop
colour: red
staleAfter: soon
limits: {services: 0}
members: {source: folder, folder: FOLDER}
`

func record(name, network, pods, gateways string) string {
	return "apiVersion: eastwest.dev/v1alpha1\nkind: MemberRecord\nname: " + name + "\nnetwork: " + network +
		"\npodCIDRs: [" + pods + "]\ngatewayCIDRs: [" + gateways + "]\n"
}

// TestRefusesToStart is A01: the process ends with exit code 2 before it contacts
// anybody, and lists all that is wrong, the file's flaws and contradictions between
// records alike. Its neighbours: records alone are wrong, and networks of their own may
// have the same pod CIDRs.
func TestRefusesToStart(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	for name, text := range map[string]string{
		"a.member.yaml": record("a", "one", "10.1.0.0/16", "192.0.2.0/24"),
		"b.member.yaml": record("b", "one", "10.1.2.0/24", "198.51.100.0/24"),
		"c.member.yaml": record("c", "two", "10.1.0.0/16", "192.0.2.7/32"),
		"agent.yaml":    strings.ReplaceAll(wrong, "FOLDER", folder),
		"right.yaml":    strings.NewReplacer("FOLDER", folder, "colour: red\n", "", "soon", "15m", "services: 0", "services: 1").Replace(wrong),
	} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	contradictions := []string{
		"pod CIDR 10.1.2.0/24 overlaps with 10.1.0.0/16 of member a, and both are in network one",
		"gateway CIDR 192.0.2.7/32 overlaps with 192.0.2.0/24 of member a",
	}
	for config, want := range map[string][]string{
		"agent.yaml": append([]string{`unknown field "colour"`, `staleAfter "soon" is not a duration`, "limits.services is 0"}, contradictions...),
		"right.yaml": contradictions,
	} {
		exit, stdout, stderr := run(t, "run", "--config", filepath.Join(folder, config), "--kubeconfig", filepath.Join(folder, "none"))
		if exit != 2 || stdout != "" || strings.Count(stderr, "error: ") != len(want) {
			t.Errorf("%s: exit %d, stdout %q, stderr:\n%s", config, exit, stdout, stderr)
		}
		for _, one := range want {
			if !strings.Contains(stderr, one) {
				t.Errorf("%s: nothing about %q in\n%s", config, one, stderr)
			}
		}
	}
	if err := os.Remove(filepath.Join(folder, "a.member.yaml")); err != nil {
		t.Fatal(err)
	}
	exit, _, stderr := run(t, "run", "--config", filepath.Join(folder, "right.yaml"), "--kubeconfig", filepath.Join(folder, "none"))
	if exit != 2 || strings.Count(stderr, "error: ") != 1 || !strings.Contains(stderr, "no access to the own cluster") {
		t.Errorf("without contradictions: exit %d\n%s", exit, stderr)
	}
}
