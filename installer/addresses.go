package installer

import (
	"context"
	"fmt"
	"strings"

	"github.com/eastwest-mesh/eastwest/installer/peer"
	"github.com/eastwest-mesh/eastwest/internal/podprobe"
	"github.com/eastwest-mesh/eastwest/internal/problem"
)

// codeNoAddress is the problem of a link without a usable API address.
const codeNoAddress = "NoAPIAddress"

// addresses are the ways to reach a producer's API server that are worth trying
// from a peer, best first: what the operator said and nothing else, or else the
// operator's own kubeconfig and what the cluster says of itself.
func (s *site) addresses(ctx context.Context) []peer.Address {
	authority, err := s.member.ClusterCA(ctx)
	if err != nil {
		authority = nil
	}
	own := s.kubeconfig.CA
	both := func(server, source, tlsName string) []peer.Address {
		list := []peer.Address{{Server: server, CA: authority, TLSServerName: tlsName, Source: source}}
		if string(own) != string(authority) {
			list = append(list, peer.Address{Server: server, CA: own, TLSServerName: tlsName, Source: source})
		}
		return list
	}
	if s.spec.Server != "" {
		return both(strings.TrimSuffix(s.spec.Server, "/"), "--server", "")
	}
	found := both(strings.TrimSuffix(s.kubeconfig.Server, "/"), "kubeconfig", s.kubeconfig.TLSServerName)
	published, err := s.member.APIAddresses(ctx)
	if err != nil {
		return found
	}
	for _, address := range published {
		found = append(found, both(address.Server, address.Source, "")...)
	}
	return found
}

// proveAddresses dials the candidates of all producers from one pod in the
// consumer and gives each link the first that works.
func (in *Installer) proveAddresses(ctx context.Context, consumer *site, jobs []*link, candidates map[*site][]peer.Address) {
	type try struct {
		job     *link
		address peer.Address
	}
	var tries []try
	var targets []podprobe.Target
	reasons := map[*link][]string{}
	for _, job := range jobs {
		usable, refused := peer.Usable(candidates[job.producer], in.mesh.Spec.Peers.AllowLoopbackServer)
		for _, refusal := range refused {
			reasons[job] = append(reasons[job], fmt.Sprintf("%s (%s): %s", refusal.Address.Server, refusal.Address.Source, refusal.Reason))
		}
		for _, address := range usable {
			tries = append(tries, try{job: job, address: address})
			targets = append(targets, address.Target())
		}
	}
	in.tell(Event{Cluster: consumer.name(), Step: "probe API servers", State: Running})
	results, err := in.probeAddresses(ctx, consumer, targets)
	if err != nil {
		for _, job := range jobs {
			job.err = problem.New(problem.Cluster, "ProbeFailed", "the API addresses of %s cannot be tried from here", job.producer.name()).
				On(consumer.name()).Because(err).WithFix("name an image with sh and curl that this cluster can pull: --image-probe IMAGE")
		}
		in.tell(Event{Cluster: consumer.name(), Step: "probe API servers", State: Failed, Text: err.Error()})
		return
	}
	for i, one := range tries {
		if results[i].OK && one.job.address.Server == "" {
			one.job.address = one.address
		}
		if !results[i].OK {
			reasons[one.job] = append(reasons[one.job], fmt.Sprintf("%s (%s): %s", one.address.Server, one.address.Source, results[i].Reason))
		}
	}
	for _, job := range jobs {
		if job.address.Server == "" {
			job.err = problem.New(problem.Cluster, codeNoAddress, "no API address of %s is usable from inside this cluster: %s",
				job.producer.name(), strings.Join(unique(reasons[job]), "; ")).On(consumer.name()).
				WithFix("name one that is: --server %s=https://HOST:PORT", job.producer.name())
		}
	}
	in.tell(Event{Cluster: consumer.name(), Step: "probe API servers", State: Done})
}

// probeAddresses runs the probe; in a dry run nothing is written, so every
// address is taken on trust.
func (in *Installer) probeAddresses(ctx context.Context, consumer *site, targets []podprobe.Target) ([]podprobe.Result, error) {
	if in.options.DryRun {
		results := make([]podprobe.Result, len(targets))
		for i := range results {
			results[i].OK = true
		}
		return results, nil
	}
	return podprobe.Run(ctx, consumer.member.Kube, in.probeOptions(consumer), targets)
}

func unique(list []string) []string {
	seen := map[string]bool{}
	var out []string
	for _, one := range list {
		if !seen[one] {
			seen[one] = true
			out = append(out, one)
		}
	}
	return out
}
