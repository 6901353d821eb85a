package arch

import (
	"errors"
	"go/build"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestArrowsNeverReverse walks the imports of the module as it is.
func TestArrowsNeverReverse(t *testing.T) {
	t.Parallel()
	packages := list(t, "../..")
	if len(packages) < 20 {
		t.Fatalf("only %d packages found: the walk is broken", len(packages))
	}
	for _, violation := range Violations(packages) {
		t.Error(violation)
	}
}

// labRigs are what the lab may import of this module: they are for tests, and know
// none of the product's packages.
var labRigs = under("internal/testca", "internal/xdsclient")

// TestLabIsDocumentedToo holds the lab, a module of its own, to the rules on
// names and comments, and to leaving the product's packages alone.
func TestLabIsDocumentedToo(t *testing.T) {
	t.Parallel()
	for _, one := range list(t, "../../lab", "e2e") {
		for _, target := range one.Imports {
			if ours(target) && !under("lab")(target) && !labRigs(target) {
				t.Errorf("lab/%s imports %s: the lab runs the product as its users do, by its command", one.Path, target)
			}
		}
		one.Imports = nil
		for _, violation := range Violations([]Package{one}) {
			t.Error("lab/" + violation)
		}
	}
}

// TestEveryRuleCanFail shows each rule an arrow that it must refuse, so that no
// rule is dead, and its nearest lawful one.
func TestEveryRuleCanFail(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		from, target, reason string // an empty reason: lawful
	}{
		"a main may start the command line":            {"cmd/eastwest", "installer/cli", ""},
		"a main does no work of its own":               {"cmd/eastwest", "installer", "a main holds signals"},
		"nothing builds on a main":                     {"samples/helloworld", "cmd/eastwest", "the end of the arrows"},
		"the product does not need the lab":            {"installer", "lab", "a module of its own"},
		"manifests may embed":                          {"manifests", "embed", ""},
		"manifests has no code":                        {"manifests", "strings", "charts as files"},
		"api has types only":                           {"api/v1alpha1", "internal/problem", "versioned types"},
		"internal does not know the installer":         {"internal/podexec", "installer/member", "it can know neither"},
		"internal does not know the agent":             {"internal/podexec", "discovery/model", "it can know neither"},
		"the installer does not know the agent":        {"installer/member", "discovery", "two programs"},
		"the agent does not know the installer":        {"discovery/watch", "installer/member", "two programs"},
		"the facade does not know the command line":    {"installer", "installer/cli", "one call of the facade"},
		"a stage does not know the command line":       {"installer/apply", "installer/cli", "one call of the facade"},
		"the command line may use the facade":          {"installer/cli", "installer", ""},
		"a stage does not call the facade":             {"installer/render", "installer", "no stage calls back"},
		"the facade may use a stage":                   {"installer", "installer/render", ""},
		"stages do not know each other":                {"installer/apply", "installer/render", "know nothing of each other"},
		"preflight reads the facts of member":          {"installer/preflight", "installer/member", ""},
		"but of nobody else":                           {"installer/preflight", "installer/apply", "know nothing of each other"},
		"verify is on its own":                         {"installer/verify/judge", "installer/member", "from outside"},
		"verify may be split":                          {"installer/verify/istio", "installer/verify/harness", ""},
		"render has no client":                         {"installer/render", "k8s.io/client-go/dynamic", "it is pure"},
		"preflight has no client":                      {"installer/preflight", "k8s.io/client-go/kubernetes", "it is pure"},
		"config has no client":                         {"installer/config", "k8s.io/client-go/rest", "it is pure"},
		"render may use Kubernetes' types":             {"installer/render", "k8s.io/apimachinery/pkg/apis/meta/v1", ""},
		"stages of the agent do not know each other":   {"discovery/watch", "discovery/merge", "never know each other"},
		"stages of the agent do not call back":         {"discovery/merge", "discovery", "no stage calls back"},
		"stages of the agent know the model":           {"discovery/merge", "discovery/model", ""},
		"the model needs the standard library only":    {"discovery/model", "k8s.io/apimachinery/pkg/types", "all it needs"},
		"the model may sort":                           {"discovery/model", "slices", ""},
		"the agent's command line runs the agent":      {"discovery/cli", "discovery", ""},
		"a stage does not call back":                   {"discovery/watch", "discovery", "no stage calls back"},
		"no stage knows the command line":              {"discovery/watch", "discovery/cli", "never know each other"},
		"merge knows no Kubernetes type":               {"discovery/merge", "k8s.io/api/core/v1", "merge and translate are pure"},
		"the zone knows no Kubernetes type":            {"discovery/dns", "k8s.io/api/discovery/v1", "from the view alone"},
		"the zone knows no other stage":                {"discovery/dns", "discovery/mcs", "never know each other"},
		"the zone has sockets":                         {"discovery/dns", "golang.org/x/sys/unix", ""},
		"merge knows the model alone":                  {"discovery/merge", "github.com/google/btree", "rules over the model"},
		"merge may sort":                               {"discovery/merge", "slices", ""},
		"translate may make Envoy's messages":          {"discovery/translate", "github.com/envoyproxy/go-control-plane/envoy/config/core/v3", ""},
		"translate may make messages of xDS itself":    {"discovery/translate", "github.com/cncf/xds/go/xds/core/v3", ""},
		"translate knows nothing that sends":           {"discovery/translate", "google.golang.org/grpc", "from the model"},
		"translate may handle addresses":               {"discovery/translate", "net/netip", ""},
		"translate dials nobody":                       {"discovery/translate", "net", "no lock, clock"},
		"merge logs nothing":                           {"discovery/merge", "log/slog", "no lock, clock"},
		"only publish knows go-control-plane's caches": {"discovery", "github.com/envoyproxy/go-control-plane/pkg/cache/v3", "only publish"},
		"publish does":                                 {"discovery/publish", "github.com/envoyproxy/go-control-plane/pkg/cache/v3", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			found := Violations([]Package{{Path: tc.from, Name: "one", Doc: "Package one.", Imports: []string{tc.target}}})
			if tc.reason == "" && len(found) > 0 {
				t.Errorf("%s -> %s is lawful, got %q", tc.from, tc.target, found)
			}
			if tc.reason != "" && !strings.Contains(strings.Join(found, "\n"), tc.reason) {
				t.Errorf("%s -> %s: got %q, want a reason with %q", tc.from, tc.target, found, tc.reason)
			}
		})
	}
}

func TestNamesAndComments(t *testing.T) {
	t.Parallel()
	found := Violations([]Package{{Path: "internal/util", Name: "util"}})
	if len(found) != 2 {
		t.Errorf("got %q, want one for the comment and one for the name", found)
	}
}

// list reads the packages of a module, leaving out modules below it. Imports of
// tests count for nothing: a test may build on more than what it tests. The files
// are read by this process, not by the go command, so that the test cache knows
// them and never shows an old verdict.
func list(t *testing.T, root string, tags ...string) []Package {
	t.Helper()
	builds := build.Default
	builds.BuildTags = tags
	var packages []Package
	err := filepath.WalkDir(root, func(dir string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.IsDir() {
			return err
		}
		_, noModule := os.Stat(filepath.Join(dir, "go.mod"))
		hidden := strings.HasPrefix(entry.Name(), ".") && dir != root
		if dir != root && (noModule == nil || hidden || entry.Name() == "testdata") {
			return filepath.SkipDir
		}
		found, err := builds.ImportDir(dir, 0)
		var none *build.NoGoError
		if errors.As(err, &none) {
			return nil
		}
		if err != nil {
			return err
		}
		path, err := filepath.Rel(root, dir)
		one := Package{Path: filepath.ToSlash(path), Name: found.Name, Doc: found.Doc}
		for _, target := range found.Imports {
			one.Imports = append(one.Imports, strings.TrimPrefix(target, Module+"/"))
		}
		packages = append(packages, one)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return packages
}
