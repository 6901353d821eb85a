package verify

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/eastwest-mesh/eastwest/internal/podexec"
	"github.com/eastwest-mesh/eastwest/internal/podforward"
	"github.com/eastwest-mesh/eastwest/internal/problem"
)

// Cluster is one member to verify, and how to talk to it.
type Cluster struct {
	// Name is the member's, a DNS label. ClusterID is what its istiod says.
	Name, ClusterID string
	// Network is for the report only; verdicts read it from pods.
	Network string
	// Revision is the istiod revision or tag that injects the test pods; empty
	// is the default one.
	Revision string
	// IstioNamespace is istiod's, istio-system if empty.
	IstioNamespace string
	// Exported says that istiods know of this cluster's services only where they
	// are exported.
	Exported bool

	Config  *rest.Config
	Kube    kubernetes.Interface
	Dynamic dynamic.Interface
	// Exec runs a command in a pod; nil is package podexec with Config.
	Exec func(ctx context.Context, target podexec.Target, command ...string) ([]byte, error)
	// Ask asks a port of a pod for a path; nil is package podforward with Config.
	Ask func(ctx context.Context, target podforward.Target, path string) ([]byte, error)
}

// Images are the containers of the test workloads.
type Images struct {
	// Helloworld is used in every cluster; it must honour SERVICE_VERSION, as
	// the published one and the lab's do. HelloworldV2 replaces it in the
	// second cluster, as in the guide.
	Helloworld, HelloworldV2 string
	// Sleep needs curl 7.52 or later and /bin/sh.
	Sleep string
}

// DefaultImages are the published ones.
func DefaultImages() Images {
	return Images{
		Helloworld:   "istio/examples-helloworld-v1:1.0",
		HelloworldV2: "istio/examples-helloworld-v2:1.0",
		Sleep:        "curlimages/curl:8.16.0",
	}
}

// Pair is a link by the names of its members.
type Pair struct {
	Consumer, Producer string
}

// Options say how to verify; the zero value is a good one.
type Options struct {
	// Run names this run and labels its objects; random if empty.
	Run string
	// Namespace is made and removed, eastwest-verify-<run> if empty. One that
	// exists is used as it is: its labels stay and only our objects go.
	Namespace string
	// Links are the pairs that must work; empty means every pair. A member
	// always has to reach itself.
	Links []Pair
	// Requests are sent per link, 20 if zero. The shared service gets as many
	// as it takes to see every version (judge.Requests), at least this many.
	Requests int
	// Confidence of the verdict on shares, 0.999 if zero.
	Confidence float64
	// Images default to DefaultImages field by field.
	Images Images
	// Keep leaves the objects for a person to look at.
	Keep bool
	// Contact, Setup, Converge and CleanUp bound the stages: 10 s, 2 min, 30 s
	// and 30 s if zero.
	Contact, Setup, Converge, CleanUp time.Duration
	// Progress is told what a cluster ("" for all) is at; it must not block.
	Progress func(cluster, step string)
}

const (
	defaultRequests   = 20
	defaultConfidence = 0.999
	runBytes          = 3
)

// complete checks the input and fills in the defaults.
func (o Options) complete(clusters []Cluster) (Options, error) {
	if len(clusters) == 0 {
		return o, problem.New(problem.Input, "NoClusters", "no cluster to verify").
			WithFix("name at least one cluster")
	}
	var names []string
	for _, c := range clusters {
		if len(validation.IsDNS1123Label(c.Name)) > 0 || slices.Contains(names, c.Name) {
			return o, problem.New(problem.Input, "BadName", "cluster name %q is not a DNS label of its own", c.Name)
		}
		names = append(names, c.Name)
	}
	for _, p := range o.Links {
		if !slices.Contains(names, p.Consumer) || !slices.Contains(names, p.Producer) {
			return o, problem.New(problem.Input, "UnknownCluster", "link %s -> %s names an unknown cluster", p.Consumer, p.Producer)
		}
	}
	if o.Run == "" {
		random := make([]byte, runBytes)
		_, _ = rand.Read(random) // never fails
		o.Run = hex.EncodeToString(random)
	}
	if o.Namespace == "" {
		o.Namespace = "eastwest-verify-" + o.Run
	}
	if len(validation.IsDNS1123Label(o.Namespace)) > 0 || len(validation.IsValidLabelValue(o.Run)) > 0 {
		return o, problem.New(problem.Input, "BadName", "namespace %q or run %q is no valid name", o.Namespace, o.Run)
	}
	if o.Confidence < 0 || o.Confidence >= 1 {
		return o, problem.New(problem.Input, "BadConfidence", "confidence %g is not between 0 and 1", o.Confidence)
	}
	o.defaults()
	return o, nil
}

func (o *Options) defaults() {
	images := DefaultImages()
	if o.Images.HelloworldV2 == "" {
		o.Images.HelloworldV2 = o.Images.Helloworld
	}
	fill(&o.Images.Helloworld, images.Helloworld)
	fill(&o.Images.HelloworldV2, images.HelloworldV2)
	fill(&o.Images.Sleep, images.Sleep)
	fill(&o.Requests, defaultRequests)
	fill(&o.Confidence, defaultConfidence)
	fill(&o.Contact, 10*time.Second)
	fill(&o.Setup, 2*time.Minute)
	fill(&o.Converge, 30*time.Second)
	fill(&o.CleanUp, 30*time.Second)
	if o.Progress == nil {
		o.Progress = func(string, string) {}
	}
}

func fill[T comparable](value *T, otherwise T) {
	var zero T
	if *value == zero {
		*value = otherwise
	}
}

// expects says whether a link must work.
func (o Options) expects(consumer, producer string) bool {
	return len(o.Links) == 0 || consumer == producer || slices.Contains(o.Links, Pair{consumer, producer})
}
