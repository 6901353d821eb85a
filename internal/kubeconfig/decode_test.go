package kubeconfig

import (
	"strings"
	"testing"
	"time"
)

// bomb is a document whose aliases double n times.
func bomb(n int) string {
	var b strings.Builder
	b.WriteString("x0: &a0 [lol, lol, lol]\n")
	for i := 1; i < n; i++ {
		prev, next := string(rune('a'+i-1)), string(rune('a'+i))
		if i == 1 {
			prev = "a0"
		}
		b.WriteString("x" + next + ": &" + next + " [" + strings.Repeat("*"+prev+", ", 9) + "*" + prev + "]\n")
	}
	return b.String()
}

func TestDecodeRejects(t *testing.T) {
	t.Parallel()
	large := "a: &a " + strings.Repeat("x", 500_000) + "\nb: [" + strings.Repeat("*a, ", 50) + "*a]\n"
	for name, tc := range map[string]struct{ text, want string }{
		"K01 nothing":                    {"", "is empty"},
		"K01 white space":                {" \n\t\n", "is empty"},
		"K01 a comment":                  {"# nothing\n", "is empty"},
		"K01 more than a mebibyte":       {strings.Repeat("#", maxSize+1), "larger than 1048576 bytes"},
		"text":                           {"hello", "no mapping"},
		"a list":                         {"- a\n", "no mapping"},
		"null":                           {"null", "no mapping"},
		"broken YAML":                    {"a: [1\nb: 2\n", "not valid YAML (line"},
		"a binary file":                  {"\x00\x01\x02\x7fELF", "not valid YAML"},
		"another kind":                   {"kind: Secret\napiVersion: v1\n", "not a kubeconfig"},
		"another version":                {"kind: Config\napiVersion: v2\n", "not a kubeconfig"},
		"an unknown alias":               {"users: *nowhere\n", "not valid YAML"},
		"clusters of a wrong type":       {"clusters: yes please\n", "wrong type"},
		"aliases that double":            {bomb(12), "aliases expand"},
		"aliases of a long text":         {large, "aliases expand"},
		"an alias of itself":             {"a: &a [*a]\n", "nested deeper"},
		"deep nesting":                   {"a: " + strings.Repeat("[", 5000) + strings.Repeat("]", 5000), "nested deeper"},
		"very deep nesting":              {"a: " + strings.Repeat("[", 500_000), "not valid YAML"},
		"two users of one name":          {"users: [{name: u, user: {token: hush}}, {name: u, user: {token: hush}}]\n", `two entries for user "u"`},
		"two clusters of one name":       {"clusters: [{name: c}, {name: c}]\n", `two entries for cluster "c"`},
		"two contexts of one name":       {"contexts: [{name: c}, {name: c}]\n", `two entries for context "c"`},
		"the wrong case of a field":      {"Contexts: [{name: c}]\n", "no contexts"},
		"a Windows file in UTF-16":       {"\xff\xfek\x00i\x00n\x00d\x00:\x00 \x00X\x00", "not a kubeconfig"},
		"an argument list of wrong type": {"users: [{name: u, user: {exec: {args: 3}}}]\n", "wrong type"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			start := time.Now()
			_, err := Parse([]byte(tc.text), "", CommandLine(true))
			if err == nil {
				t.Fatal("accepted")
			}
			wantProblem(t, err, CodeInvalid, tc.want)
			if strings.Contains(err.Error(), "hush") {
				t.Errorf("error echoes a token: %v", err)
			}
			if took := time.Since(start); took > 20*time.Second {
				t.Errorf("took %v", took)
			}
		})
	}
}

// TestAliasesOfUsualSizeAreRead: kubectl reads them, and so do we.
func TestAliasesOfUsualSizeAreRead(t *testing.T) {
	t.Parallel()
	ca := issue(t, nil)
	text := "ca: &ca " + ca.cert64() + `
current-context: a
clusters:
- {name: c, cluster: {server: "https://api.example.com", certificate-authority-data: *ca}}
users: [{name: u, user: {token: abc}}]
contexts: [{name: a, context: {cluster: c, user: u}}]
`
	if _, err := Parse([]byte(text), "", Agent()); err != nil {
		t.Fatal(err)
	}
}

// TestHostileSizesAreCheap: no document takes long, however it is built; a
// quadratic one would. An agent reads them from a Secret that others may write.
func TestHostileSizesAreCheap(t *testing.T) {
	t.Parallel()
	for name, part := range map[string]string{
		"comments": "#\n", "indented comments": "a:\n # b\n", "dashes": "- ", "questions": "? ", "colons": "a: ", "flow": "[{a: ",
		"quotes": `"a" `, "anchors": "- &a b\n", "keys": "a: b\n", "blank lines": "\n\n ", "tags": "!!str ", "documents": "---\n",
		"merge": "<<: {a: b}\n", "escapes": `"\x41"`, "long strings": "a: |\n b\n", "commas": "[,],", "tabs": "\t",
	} {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			_, err := Parse([]byte(strings.Repeat(part, maxSize/8/len(part))), "", Agent())
			if err == nil {
				t.Fatal("accepted")
			}
			wantInput(t, err)
			if took := time.Since(start); took > 30*time.Second {
				t.Errorf("took %v", took)
			}
		})
	}
}
