// Package arch holds the rules on who may import whom, each with its reason, as
// data. Its test walks the imports of the whole module and fails with the reason
// when an arrow of the architecture reverses. Nothing imports it.
package arch

import (
	"fmt"
	"slices"
	"strings"
)

// Module is the path of the product's Go module.
const Module = "github.com/eastwest-mesh/eastwest"

// Package is what the rules look at of one package.
type Package struct {
	// Path is relative to the module; "." for its root.
	Path string
	// Name is the word after "package", Doc the first sentence of its comment.
	Name, Doc string
	// Imports are relative to the module where they are ours.
	Imports []string
}

// Rule forbids imports of the packages it is about.
type Rule struct {
	// About reports whether the rule is about the package at a path.
	About func(path string) bool
	// Forbids reports whether a package at path must not import target.
	Forbids func(path, target string) bool
	// Reason says why, in words.
	Reason string
}

// Violations lists what is wrong with the packages, in their order.
func Violations(packages []Package) []string {
	var found []string
	for _, one := range packages {
		for _, rule := range Rules() {
			if !rule.About(one.Path) {
				continue
			}
			for _, target := range one.Imports {
				if rule.Forbids(one.Path, target) {
					found = append(found, fmt.Sprintf("%s imports %s: %s", one.Path, target, rule.Reason))
				}
			}
		}
		if one.Doc == "" {
			found = append(found, fmt.Sprintf("%s has no package comment: it says what the package owns and what it must not know", one.Path))
		}
		if slices.Contains(catchAll, one.Name) {
			found = append(found, fmt.Sprintf("%s is named %s: a name that says nothing collects everything", one.Path, one.Name))
		}
	}
	return found
}

// catchAll are names that say nothing of what is in a package.
var catchAll = []string{"util", "utils", "common", "types", "helper", "helpers", "misc", "base", "shared"}

// under reports whether a path is one of the folders or below one.
func under(folders ...string) func(string) bool {
	return func(path string) bool {
		return slices.ContainsFunc(folders, func(folder string) bool {
			return path == folder || strings.HasPrefix(path, folder+"/")
		})
	}
}

// below is under without the folder itself.
func below(folder string) func(string) bool {
	return func(path string) bool { return strings.HasPrefix(path, folder+"/") }
}

// imports turns a set of targets into what a rule forbids.
func imports(targets func(string) bool) func(path, target string) bool {
	return func(_, target string) bool { return targets(target) }
}

// ours reports whether an import is of this module. Paths relative to it have no
// dot in their first element, unlike those of other modules, and the standard
// library has none of these folders.
var ours = under(".", "api", "cmd", "discovery", "installer", "internal", "lab", "manifests", "samples")

// stage is the folder of a path right below another: "installer/verify" for
// installer/verify/judge.
func stage(folder, path string) string {
	rest, found := strings.CutPrefix(path, folder+"/")
	if !found {
		return ""
	}
	name, _, _ := strings.Cut(rest, "/")
	return folder + "/" + name
}
