package verify

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"sync"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/eastwest-mesh/eastwest/installer/verify/envoy"
	"github.com/eastwest-mesh/eastwest/installer/verify/facts"
	"github.com/eastwest-mesh/eastwest/installer/verify/judge"
	"github.com/eastwest-mesh/eastwest/installer/verify/traffic"
)

// judged is a verdict about a link.
type judged struct {
	Pair
	judge.Verdict
	works bool
}

// standing looks at the discovery of every pair, also where traffic flows: an
// istiod remembers a cluster that it lost, until it restarts.
func (r *run) standing(ctx context.Context) {
	r.step("", "look at remote secrets and sync states")
	credentials := r.credentials(ctx)
	for _, c := range r.cells {
		if !c.expected || c.consumer == c.producer || c.consumer.err != nil || c.producer.err != nil {
			continue
		}
		link := c.evidence(&sight{}, &sight{}, metav1.Now().Time)
		link.Credential = credentials[Pair{c.consumer.Name, c.producer.Name}]
		if len(judge.Standing(link)) == 0 {
			continue
		}
		link.Remembered = r.remembered(ctx, link, c)
		for _, verdict := range judge.Standing(link) {
			r.discovery = append(r.discovery, judged{
				Pair{c.consumer.Name, c.producer.Name}, verdict, c.answered,
			})
		}
	}
}

// credentials tries what every consumer holds for every producer.
func (r *run) credentials(ctx context.Context) map[Pair]judge.Credential {
	all := map[Pair]judge.Credential{}
	var mu sync.Mutex // guards all
	r.each(func(consumer *member) {
		mine := map[Pair]judge.Credential{}
		for _, producer := range r.members {
			if producer != consumer && producer.err == nil {
				mine[Pair{consumer.Name, producer.Name}] = r.credential(ctx, consumer, producer)
			}
		}
		r.dialAPIs(ctx, consumer, mine)
		mu.Lock()
		defer mu.Unlock()
		maps.Copy(all, mine)
	})
	return all
}

// credential finds and tries the consumer's entry for a producer. A consumer
// without an istiod of its own is served by another cluster's and needs none.
func (r *run) credential(ctx context.Context, consumer, producer *member) judge.Credential {
	c := judge.Credential{
		Expected: len(consumer.facts.Istiods) > 0 && producer.ClusterID != "" &&
			consumer.facts.Knows(facts.PartSecrets) && consumer.facts.Knows(facts.PartIstiod),
	}
	for _, s := range consumer.facts.RemoteSecrets {
		if s.ClusterID == producer.ClusterID {
			c.Secret = &s
			c.Status = producer.accepts(ctx, s.Token)
			return c
		}
	}
	for _, s := range consumer.facts.RemoteSecrets {
		if !r.isMember(s.ClusterID) && producer.accepts(ctx, s.Token) == http.StatusOK {
			c.Misfiled = &s
			return c
		}
	}
	return c
}

func (r *run) isMember(id string) bool {
	return slices.ContainsFunc(r.members, func(m *member) bool { return m.ClusterID == id })
}

// accepts asks the member's API server about a token by reviews, which store
// nothing: 200, 401 or, where it may not list services, 403. It is 0 where the
// question could not be asked.
func (m *member) accepts(ctx context.Context, token string) int {
	if token == "" {
		return 0
	}
	review, err := m.Kube.AuthenticationV1().TokenReviews().Create(ctx, &authenticationv1.TokenReview{
		Spec: authenticationv1.TokenReviewSpec{Token: token},
	}, metav1.CreateOptions{})
	switch {
	case err != nil:
		return 0
	case !review.Status.Authenticated:
		return http.StatusUnauthorized
	}
	access, err := m.Kube.AuthorizationV1().SubjectAccessReviews().Create(ctx, &authorizationv1.SubjectAccessReview{
		Spec: authorizationv1.SubjectAccessReviewSpec{
			User: review.Status.User.Username, Groups: review.Status.User.Groups, UID: review.Status.User.UID,
			ResourceAttributes: &authorizationv1.ResourceAttributes{Verb: "list", Group: "discovery.k8s.io", Resource: "endpointslices"},
		},
	}, metav1.CreateOptions{})
	if err == nil && !access.Status.Allowed {
		return http.StatusForbidden
	}
	return http.StatusOK
}

// dialAPIs probes the addresses in the consumer's remote secrets from its sleep
// pod. One behind a proxy of its own is left alone.
func (r *run) dialAPIs(ctx context.Context, consumer *member, credentials map[Pair]judge.Credential) {
	if !consumer.calls() {
		return
	}
	var targets []traffic.Target
	for pair, c := range credentials {
		if c.Secret != nil && c.Secret.Proxy == "" && c.Secret.Server != "" {
			targets = append(targets, traffic.Target{Name: pair.Producer, URL: c.Secret.Server + "/version"})
		}
	}
	if len(targets) == 0 {
		return
	}
	output, err := consumer.inSleep(ctx, traffic.Once(askBound, targets)...)
	if err != nil {
		return
	}
	for name, answers := range traffic.Parse(output) {
		pair := Pair{consumer.Name, name}
		c := credentials[pair]
		c.Dial = &answers[len(answers)-1]
		credentials[pair] = c
	}
}

// remembered counts the services of others that the consumer's Envoy still
// sends to the producer's gateway, where discovery is broken and this link does
// not answer: istiod goes on serving what it had learnt.
func (r *run) remembered(ctx context.Context, link judge.Link, c *cell) int {
	if c.answered || !c.consumer.calls() || len(judge.Standing(link)) == 0 {
		return 0
	}
	data, err := c.consumer.sidecar(ctx, c.consumer.sleep.Pod, envoy.AllEndpointsPath())
	if err != nil {
		return 0
	}
	endpoints, err := envoy.ParseEndpoints(data)
	if err != nil {
		return 0
	}
	var addresses []string
	for _, g := range c.producer.facts.Gateways {
		addresses = append(addresses, g.Addresses...)
	}
	n := 0
	for _, all := range endpoints {
		if slices.ContainsFunc(all, func(e envoy.Endpoint) bool { return slices.Contains(addresses, e.Address) }) {
			n++
		}
	}
	return n
}
