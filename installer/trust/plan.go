package trust

import (
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/eastwest-mesh/eastwest/internal/problem"
)

// Action is what applying does to the Secret cacerts of one member.
type Action string

const (
	// Unchanged leaves it as it is.
	Unchanged Action = "unchanged"
	// Create writes the first one, where no CA has signed anything yet.
	Create Action = "create"
	// Renew writes another intermediate under the same roots; istiod takes it up
	// by itself and no workload notices.
	Renew Action = "renew"
	// Replace changes the roots: until all are restarted, old and new workloads
	// do not trust each other.
	Replace Action = "replace"
)

// Change is the plan for one member.
type Change struct {
	Cluster string `json:"cluster"`
	Action  Action `json:"action"`
	// Reason says why, in words.
	Reason string `json:"reason"`
	// From is what istiod signs with now, if that can be seen, and To what it
	// will sign with.
	From *Certificate `json:"from,omitempty"`
	To   Certificate  `json:"to"`
	// Secret is what to write; nil where nothing is. It is kept out of JSON: it
	// holds the key.
	Secret *corev1.Secret `json:"-"`
	// RestartIstiod is true where every istiod of the member must restart, and
	// RestartProxies where then every workload with a sidecar and every gateway
	// must, in this order.
	RestartIstiod  bool `json:"restartIstiod"`
	RestartProxies bool `json:"restartProxies"`
}

// PlanOptions say what may be done to a member.
type PlanOptions struct {
	// Namespace of istiod; istio-system if empty.
	Namespace string
	// ReplaceCA is the consent to replace a CA in use.
	ReplaceCA bool
	// Now is the present; that of the clock if zero.
	Now time.Time
}

// Plan compares what a member signs with and what it shall. The error refuses
// what would break it without consent; the change is complete even then, so
// that it can be shown.
func Plan(current State, want Intermediate, options PlanOptions) (Change, error) {
	if options.Now.IsZero() {
		options.Now = time.Now()
	}
	certs, err := parseCertificates(want.Cert)
	if err != nil {
		return Change{}, invalid(want.Cluster, caCertKey, err)
	}
	roots, err := parseCertificates(want.Root)
	if err != nil {
		return Change{}, invalid(want.Cluster, rootCertKey, err)
	}
	change := Change{Cluster: want.Cluster, From: current.Signer, To: describe(certs[0])}
	if elsewhere(current.Kind) {
		change.Action, change.Reason = Unchanged, "istiod does not sign with "+SecretName
		return change, signsElsewhere(want.Cluster, current)
	}
	change.decide(current, fingerprints(describeSet(roots)), options.Now)
	if change.Action == Unchanged {
		return change, nil
	}
	change.Secret = CACerts(want, options.Namespace)
	if change.Action == Replace && !options.ReplaceCA {
		return change, inUse(change, current)
	}
	return change, nil
}

// decide finds the least that has to be done.
func (c *Change) decide(current State, wanted []Fingerprint, now time.Time) {
	sameRoots := current.Kind == PluggedIn && slices.Equal(current.plugged.rootIDs(), wanted)
	switch {
	case sameRoots && current.plugged.good(now):
		c.Action, c.Reason = Unchanged, "it signs under this root already"
		c.RestartIstiod, c.RestartProxies = !current.Loaded, !current.Loaded
		if !current.Loaded {
			c.Reason = "the Secret is there, but istiod has not taken it up"
		}
	case sameRoots:
		c.Action, c.Reason = Renew, "its intermediate is broken or near its end"
		c.RestartIstiod, c.RestartProxies = !current.Loaded, !current.Loaded
	case current.Kind == Unknown && len(current.Roots) == 0:
		c.Action, c.Reason = Create, "no CA has signed anything there yet"
	default:
		c.Action, c.Reason = Replace, fmt.Sprintf("it signs under another root (%s)", current.Kind)
		c.RestartIstiod, c.RestartProxies = true, true
	}
}

func (b bundle) rootIDs() []Fingerprint { return fingerprints(describeSet(b.roots)) }

// good reports whether a cacerts leads to its root for longer than the notice.
func (b bundle) good(now time.Time) bool {
	return b.signer != nil && isCA(b.signer) && verifyChain(b.signer, b.chain, b.roots, now.Add(ExpiryNotice)) == nil
}

func elsewhere(kind Kind) bool {
	return slices.Contains([]Kind{MeshCA, CAService, External}, kind)
}

// signsElsewhere refuses to write a Secret that nobody would read.
func signsElsewhere(cluster string, current State) error {
	from := string(current.Kind)
	if current.Provider != "" {
		from += " " + current.Provider
	}
	return problem.New(problem.Refused, CodeElsewhere, "workload certificates come from %s, so Secret %s would have no effect",
		from, SecretName).On(cluster).
		WithFix("keep that CA for all members, or install istiod again with its own CA")
}

// inUse refuses to replace a CA without consent, and says what it takes.
func inUse(change Change, current State) error {
	until := ""
	if current.Kind == PluggedIn {
		until = "; the present " + SecretName + " is overwritten, key and all"
	}
	return problem.New(problem.Refused, CodeInUse, "the CA is in use (%s, root %s); replacing it restarts every istiod, every workload with a sidecar and every gateway%s",
		current.Kind, current.short(), until).On(change.Cluster).
		WithFix("give --replace-ca to consent")
}
