package arch

import (
	"slices"
	"strings"
)

// Rules lists every rule. Together they are the drawing of docs/architecture.md:
//
//	cmd -> installer/cli -> installer -> {its stages} -> manifests
//	cmd -> discovery -> {its stages} -> discovery/model
func Rules() []Rule {
	return append(common(), append(installerRules(), discoveryRules()...)...)
}

func common() []Rule {
	anything := func(string) bool { return true }
	return []Rule{
		{
			About: under("cmd"),
			Forbids: func(_, target string) bool {
				return ours(target) && !under("installer/cli", "discovery", "internal")(target)
			},
			Reason: "a main holds signals, wiring and the exit code; everything else is in installer/cli or discovery",
		},
		{
			About: anything, Forbids: imports(under("cmd")),
			Reason: "a main is the end of the arrows, nothing builds on it",
		},
		{
			About: anything, Forbids: imports(under("lab")),
			Reason: "the lab is a module of its own, so that the product's dependencies stay its own",
		},
		{
			About:   under("manifests"),
			Forbids: func(_, target string) bool { return target != "embed" },
			Reason:  "manifests is our charts as files and nothing else",
		},
		{
			About: under("api"), Forbids: imports(ours),
			Reason: "api is versioned types only; defaults and rules are applied by those who read them",
		},
		{
			About: under("internal"), Forbids: imports(under("installer", "discovery", "cmd")),
			Reason: "internal is shared by installer and discovery, so it can know neither",
		},
		{
			About: under("installer"), Forbids: imports(under("discovery")),
			Reason: "the installer and the agent are two programs; what both need is in internal",
		},
		{
			About: under("discovery"), Forbids: imports(under("installer")),
			Reason: "the installer and the agent are two programs; what both need is in internal",
		},
	}
}

func installerRules() []Rule {
	return []Rule{
		{
			About:   func(path string) bool { return under("installer")(path) && path != "installer/cli" },
			Forbids: imports(under("installer/cli")),
			Reason:  "the command line turns flags into one call of the facade; no logic is in it that others could use",
		},
		{
			About: below("installer"),
			Forbids: func(path, target string) bool {
				return target == "installer" && stage("installer", path) != "installer/cli"
			},
			Reason: "the facade calls its stages, no stage calls back",
		},
		{
			About: below("installer"),
			Forbids: func(path, target string) bool {
				from, to := stage("installer", path), stage("installer", target)
				facts := from == "installer/preflight" && to == "installer/member"
				return to != "" && from != to && from != "installer/cli" && from != "installer/verify" && !facts
			},
			Reason: "stages of the installer know nothing of each other, the facade joins them; only preflight reads the fact types of member",
		},
		{
			About: under("installer/verify"),
			Forbids: func(_, target string) bool {
				return under("installer")(target) && !under("installer/verify")(target)
			},
			Reason: "verify proves from outside what the others did; sharing their code it would share their mistakes",
		},
		{
			About:   under("installer/render", "installer/preflight", "installer/config"),
			Forbids: imports(func(target string) bool { return strings.HasPrefix(target, "k8s.io/client-go/") }),
			Reason:  "it is pure: no cluster is contacted, which a client in reach would make easy to forget",
		},
	}
}

func discoveryRules() []Rule {
	kubernetes := func(target string) bool {
		return strings.HasPrefix(target, "k8s.io/") || strings.HasPrefix(target, "sigs.k8s.io/")
	}
	standard := func(target string) bool {
		first, _, _ := strings.Cut(target, "/")
		return !strings.Contains(first, ".") && !ours(target)
	}
	world := func(target string) bool {
		return target == "net" || under("os", "net/http", "log", "context", "sync")(target)
	}
	envoyMessages := func(target string) bool {
		return slices.ContainsFunc([]string{
			"github.com/envoyproxy/go-control-plane/envoy/", "github.com/cncf/xds/go/", "google.golang.org/protobuf/",
		}, func(prefix string) bool { return strings.HasPrefix(target, prefix) })
	}
	// The agent's command line stands above what discovery assembles.
	stages := func(path string) bool { return below("discovery")(path) && !under("discovery/cli")(path) }
	return []Rule{
		{
			About: stages,
			Forbids: func(path, target string) bool {
				from, to := stage("discovery", path), stage("discovery", target)
				return to != "" && from != to && to != "discovery/model"
			},
			Reason: "stages of the data path never know each other, only the model; discovery wires them",
		},
		{
			About: stages, Forbids: func(_, target string) bool { return target == "discovery" },
			Reason: "discovery assembles its stages, no stage calls back",
		},
		{
			About: under("discovery/model"), Forbids: func(path, target string) bool { return !standard(target) },
			Reason: "the model is what all stages agree on: the standard library is all it needs",
		},
		{
			About: under("discovery/merge", "discovery/translate"), Forbids: imports(kubernetes),
			Reason: "merge and translate are pure; a Kubernetes type never passes the line behind watch",
		},
		{
			About: under("discovery/dns"), Forbids: imports(kubernetes),
			Reason: "the zone is made from the view alone, so that the same view has the same names whatever API it was read from",
		},
		{
			About: under("discovery/merge"), Forbids: func(_, target string) bool { return !standard(target) && !under("discovery/model")(target) },
			Reason: "merge is rules over the model: nothing else can be an input of theirs",
		},
		{
			About: under("discovery/translate"),
			Forbids: func(_, target string) bool {
				return !standard(target) && !under("discovery/model", "internal/eds")(target) && !envoyMessages(target)
			},
			Reason: "translate makes Envoy's messages from the model; whatever else it knew, its output would depend on",
		},
		{
			About: under("discovery/merge", "discovery/translate"), Forbids: imports(world),
			Reason: "merge and translate are pure: no lock, clock, logger, context or I/O",
		},
		{
			About: func(path string) bool { return path != "discovery/publish" },
			Forbids: func(_, target string) bool {
				return strings.HasPrefix(target, "github.com/envoyproxy/go-control-plane/pkg/")
			},
			Reason: "only publish knows go-control-plane's server and caches",
		},
	}
}
