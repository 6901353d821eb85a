package cli

import (
	"bytes"
	"strings"
	"testing"
)

func TestEveryCommandHasHelpAndExamples(t *testing.T) {
	t.Parallel()
	for _, cmd := range New(nil, nil, nil).Commands() {
		if cmd.Hidden {
			continue
		}
		if cmd.Short == "" || cmd.Example == "" {
			t.Errorf("lab %s: short help %q, examples %q", cmd.Name(), cmd.Short, cmd.Example)
		}
	}
}

func TestAnswersGoToStdout(t *testing.T) {
	t.Parallel()
	out, errOut, err := execute("version")
	if err != nil || !strings.HasPrefix(out, "lab ") || errOut != "" {
		t.Errorf("lab version: stdout %q, stderr %q, %v", out, errOut, err)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"kubeconfig":                     "accepts 1 arg",
		"kubeconfig x --name nolab":      `cluster "x": want its number`,
		"kubeconfig 1 --name nolab":      "no such lab",
		"status --name nolab":            "no such lab",
		"up --flat --same-cidrs":         "none of the others can be",
		"up --clusters 10 --name nolab":  "want 1 to 9",
		"up --name Bad":                  "lower-case",
		"down --name ../x":               "lower-case",
		"exec 1 --name nolab -- true x":  "no such lab",
		"load-image x.tar --name nolab":  "no such lab",
		"up --istio --roots x --name no": `roots "x"`,
	} {
		out, _, err := execute(strings.Fields(args)...)
		if err == nil || !strings.Contains(err.Error(), want) || out != "" {
			t.Errorf("lab %s: stdout %q, error %v, want %q", args, out, err, want)
		}
	}
}

func execute(args ...string) (out, errOut string, err error) {
	var o, e bytes.Buffer
	cmd := New(strings.NewReader(""), &o, &e)
	cmd.SetArgs(args)
	err = cmd.Execute()
	return o.String(), e.String(), err
}
