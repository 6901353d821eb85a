package conformance

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/eastwest-mesh/eastwest/internal/problem"
)

// Group is how binding a case is.
type Group string

// The groups. Required and Optional are the suite's, Beyond is what it does not look
// at though the API has it.
const (
	Required Group = "Required"
	Optional Group = "Optional"
	Beyond   Group = "Beyond"
)

// Groups lists them in the order of the report.
func Groups() []Group { return []Group{Required, Optional, Beyond} }

// The labels of cases.
const (
	labelClusterIP      = "ClusterIP"
	labelHeadless       = "Headless"
	labelExternalName   = "ExternalName"
	labelExportedLabels = "ExportedLabels"
	labelEndpointSlice  = "EndpointSlice"
	labelDNS            = "DNS"
	labelConnectivity   = "Connectivity"
	labelPortConflict   = "StrictPortConflict"
	labelStatus         = "Status"
)

// Case is one promise of the API.
type Case struct {
	// Number is the suite's order of its cases, from 1; those beyond it follow.
	Number int      `json:"number"`
	Group  Group    `json:"group"`
	Labels []string `json:"labels"`
	// Title says what is to hold, Reference where it is written.
	Title     string `json:"desc"`
	Reference string `json:"ref"`

	// two is true where two clusters export.
	two bool
	// hello is how many pods are behind the Service in the first and second cluster.
	hello [2]int32
	// named gives these pods host names, asks puts a pod to ask from into each cluster.
	named, asks bool
	run         func(ctx context.Context, s *scene) error
}

// kep is where the rules are written.
const kep = "https://github.com/kubernetes/enhancements/tree/master/keps/sig-multicluster/1645-multi-cluster-services-api"

// Cases lists all, in the order of their numbers.
func Cases() []Case {
	all := slices.Concat(clusterIPCases(), headlessCases(), conflictCases(), exportedLabelsCases(),
		endpointSliceCases(), dnsCases(), connectivityCases())
	slices.SortFunc(all, func(a, b Case) int { return a.Number - b.Number })
	return all
}

// least is how many clusters a case needs.
func (c Case) least() int {
	if c.two {
		return 2
	}
	return 1
}

// pods reports whether a case has pods.
func (c Case) pods() bool { return c.asks || c.hello != [2]int32{} }

// Selection says which cases; its zero value means all. Each part narrows it.
type Selection struct {
	Numbers []int
	Group   Group
	// Labels are those of which a case has one.
	Labels []string
}

// Select returns the selected cases. What selects none is rejected.
func (s Selection) Select() ([]Case, error) {
	all := Cases()
	for _, number := range s.Numbers {
		if number < 1 || number > len(all) {
			return nil, problem.New(problem.Input, "UnknownCase", "there is no case %d", number).WithFix("cases are 1 to %d", len(all))
		}
	}
	for _, label := range s.Labels {
		if !slices.Contains(labels(all), strings.ToLower(label)) {
			return nil, problem.New(problem.Input, "UnknownLabel", "no case has the label %q", label).
				WithFix("labels are %s", strings.Join(labels(all), ", "))
		}
	}
	if s.Group != "" && !slices.Contains(Groups(), s.Group) {
		return nil, problem.New(problem.Input, "UnknownGroup", "there is no group %q", s.Group).WithFix("groups are %s", strings.ToLower(fmt.Sprint(Groups())))
	}
	chosen := slices.DeleteFunc(all, func(c Case) bool { return !s.has(c) })
	if len(chosen) == 0 {
		return nil, problem.New(problem.Input, "NoCases", "no case is in all that was selected").WithFix("see the table of cases in docs/conformance.md")
	}
	return chosen, nil
}

func (s Selection) has(c Case) bool {
	labelled := len(s.Labels) == 0 || slices.ContainsFunc(s.Labels, func(label string) bool {
		return slices.ContainsFunc(c.Labels, func(own string) bool { return strings.EqualFold(own, label) })
	})
	return labelled && (len(s.Numbers) == 0 || slices.Contains(s.Numbers, c.Number)) && (s.Group == "" || s.Group == c.Group)
}

// labels are those of any case, in lower case.
func labels(of []Case) []string {
	var all []string
	for _, c := range of {
		for _, label := range c.Labels {
			all = append(all, strings.ToLower(label))
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}
