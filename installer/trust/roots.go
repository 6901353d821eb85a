package trust

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// rootsFix is the fix line for roots that are not the same.
const rootsFix = "eastwest trust init --dir DIR, then eastwest trust apply --dir DIR --replace-ca; or eastwest up --init-trust --replace-ca"

// compareRoots groups members by what they trust.
func compareRoots(states map[string]State, now time.Time) []Finding {
	groups := map[string]bool{}
	var unknown []string
	seen := allSeen(states)
	for _, name := range slices.Sorted(maps.Keys(states)) {
		if anchor := states[name].anchor(seen); anchor != "" {
			groups[anchor] = true
		} else {
			unknown = append(unknown, name)
		}
	}
	var findings []Finding
	if len(unknown) > 0 {
		findings = append(findings, rootsUnknown(unknown, states))
	}
	if len(groups) > 1 {
		findings = append(findings, rootsDiffer(len(groups), states, now))
	}
	return findings
}

// allSeen reports whether the roots of every member are known.
func allSeen(states map[string]State) bool {
	for _, s := range states {
		if len(s.Roots) == 0 {
			return false
		}
	}
	return true
}

// anchor is equal for members that trust the same; empty if it cannot be seen.
// Google's CAs keep their roots away from the cluster: of Mesh CA there is one,
// and a pool of CA Service stands for its root, unless all roots are seen.
func (s State) anchor(allSeen bool) string {
	switch {
	case s.Kind == MeshCA && !allSeen:
		return string(MeshCA)
	case s.Kind == CAService && !allSeen && s.Provider != "":
		return string(CAService) + " " + s.Provider
	}
	ids := make([]string, len(s.Roots))
	for i, root := range s.Roots {
		ids[i] = string(root.Fingerprint)
	}
	return strings.Join(ids, "+")
}

// short is what a member trusts as it is shown in a sentence.
func (s State) short() string {
	if len(s.Roots) == 0 {
		return s.anchor(false)
	}
	ids := make([]string, len(s.Roots))
	for i, root := range s.Roots {
		ids[i] = root.Fingerprint.Short()
	}
	return strings.Join(ids, "+")
}

func rootsUnknown(names []string, states map[string]State) Finding {
	message := "the roots of " + strings.Join(names, ", ") + " cannot be seen"
	for _, name := range names {
		for _, reason := range states[name].Unreadable {
			message += fmt.Sprintf("; %s: %s", name, reason)
		}
	}
	return Finding{
		Severity: Refusal, Code: CodeRootsUnknown, Clusters: names, Message: message,
		Fix: "check that istiod runs there and that ConfigMap " + RootConfigMapName + " in " + Namespace + " can be read",
	}
}

// rootsDiffer is a refusal, but for members that were all told of several roots
// and do verify each other.
func rootsDiffer(sets int, states map[string]State, now time.Time) Finding {
	names := slices.Sorted(maps.Keys(states))
	var parts []string
	for _, name := range names {
		if short := states[name].short(); short != "" {
			parts = append(parts, name+" "+short)
		}
	}
	finding := Finding{
		Severity: Refusal, Code: CodeRootsDiffer, Clusters: names, Rows: Table(states), Fix: rootsFix,
		Message: fmt.Sprintf("%d different sets of roots: %s", sets, strings.Join(parts, ", ")),
	}
	if mutual(states, now) {
		finding.Severity = Warning
		finding.Message += "; every member verifies the others by ISTIO_MULTIROOT_MESH, which holds for sidecars only"
		finding.Fix = "finish the change to one root"
	}
	return finding
}
