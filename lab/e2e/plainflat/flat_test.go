//go:build e2e

package plainflat

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/eastwest-mesh/eastwest/lab"
	"github.com/eastwest-mesh/eastwest/lab/e2e/internal/netns"
	"github.com/eastwest-mesh/eastwest/lab/e2e/internal/rig"
)

var suite rig.Rig

func TestMain(m *testing.M) {
	o := lab.Options{Name: cmp.Or(os.Getenv("EASTWEST_E2E_PLAINFLAT_LAB"), "pl2f"), Clusters: 2, Flat: true}
	os.Exit(rig.Main(m, &suite, o, "../../../bin/eastwest"))
}

// TestFlat joins two clusters on one network: c1 calls the pods of c2 themselves.
func TestFlat(t *testing.T) {
	suite.Each(func(i int) { suite.Kubectl(t, i, "delete", "namespace", "shop", "--ignore-not-found") })
	suite.Down(t)
	suite.Run(t, 0, suite.Up(append(suite.Members(), "--network", "flat")...)...)
	suite.Each(func(i int) { suite.Kubectl(t, i, "create", "namespace", "shop") })
	suite.Apply(t, 2, rig.Exported("shop", 2))
	suite.Kubectl(t, 2, "-n", "shop", "rollout", "status", "deployment/hello", "--timeout=90s")

	pods := words(suite.Kubectl(t, 2, "-n", "shop", "get", "pods", "-l", "app=hello", "-o", "jsonpath={.items[*].status.podIP}"))
	rig.Await(t, "slices of c1 hold the pods of c2", 30*time.Second, func(ctx context.Context) error {
		out, err := suite.Try(ctx, 1, "-n", "shop", "get", "endpointslices", "-l", "eastwest.dev/derived=true", "-o", "jsonpath={.items[*].endpoints[*].addresses[0]}")
		if got := words(out); err == nil && (len(pods) != 2 || !slices.Equal(got, pods)) {
			err = fmt.Errorf("slices hold %v, pods are %v", got, pods)
		}
		return err
	})

	host := suite.Kubectl(t, 1, "-n", "shop", "get", "services", "-l", "eastwest.dev/derived=true", "-o", "jsonpath={.items[0].spec.clusterIP}")
	call := caller()
	// kube-proxy follows slices by and by: at first it may know one of the pods alone.
	reached := map[string]bool{}
	rig.Await(t, "c1 reaches all pods of c2", time.Minute, func(ctx context.Context) error {
		answer, err := call(ctx, host)
		if err != nil {
			return err
		}
		if reached[answer] = true; len(reached) < len(pods) {
			return fmt.Errorf("answers of %v, the pods are %v", reached, pods)
		}
		return nil
	})
	before := carried(t)
	answers := map[string]int{}
	for range 100 {
		answer, err := call(t.Context(), host)
		if err != nil {
			t.Fatal(err)
		}
		answers[answer]++
	}
	t.Logf("100 calls: %v", answers)
	if len(answers) != len(pods) {
		t.Errorf("answers %v, want some of each pod %v", answers, pods)
	}
	if after := carried(t); after != before {
		t.Errorf("the gateways carried %v connections and requests before and %v after 100 calls", before, after)
	}
	suite.Kubectl(t, 2, "-n", "shop", "scale", "deployment/hello", "--replicas=0")
	took := rig.Await(t, "slices of c1 hold no pod any more", 30*time.Second, func(ctx context.Context) error {
		out, err := suite.Try(ctx, 1, "-n", "shop", "get", "endpointslices", "-l", "eastwest.dev/derived=true", "-o", "jsonpath={.items[*].endpoints[*].addresses[0]}")
		if err == nil && out != "" {
			err = fmt.Errorf("slices hold %s", out)
		}
		return err
	})
	t.Logf("scaled down: slices of c1 followed after %s", took.Round(time.Millisecond))
	suite.Down(t)
}

// caller calls from c1, with a connection for each call.
func caller() func(ctx context.Context, host string) (string, error) {
	client := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, address string) (net.Conn, error) {
			return netns.Dial(ctx, suite.Netns(1), address, 5*time.Second)
		},
	}}
	return func(ctx context.Context, host string) (string, error) {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+host+"/hello", nil)
		if err != nil {
			return "", err
		}
		answer, err := client.Do(request)
		if err != nil {
			return "", err
		}
		defer answer.Body.Close()
		body, err := io.ReadAll(answer.Body)
		if err == nil && !strings.HasPrefix(string(body), "Hello version: ") {
			err = fmt.Errorf("%s: %s", answer.Status, body)
		}
		return strings.TrimSpace(string(body)), err
	}
}

// traffic is what a gateway carries for clients.
type traffic struct{ connections, requests float64 }

// carried is what both gateways have carried: connections, and requests of HTTP
// ports. What they ask each other to see who is well is not in it.
func carried(t *testing.T) traffic {
	t.Helper()
	var sum traffic
	suite.Each(func(i int) {
		pod := suite.AwaitPods(t, i, "eastwest-gateway", 1)[0]
		ctx, cancel := rig.Bounded(t, 30*time.Second)
		defer cancel()
		m, err := suite.Metrics(ctx, i, pod, 15021, "/stats/prometheus")
		if err != nil {
			t.Fatal(err)
		}
		for _, manager := range []string{"egress", "in_http"} {
			sum.requests += m.Sum("envoy_http_downstream_rq_total", `"`+manager+`"`)
		}
		sum.connections += m.Sum("envoy_tcp_downstream_cx_total")
	})
	return sum
}

// words are those of a text, in order.
func words(text string) []string {
	all := strings.Fields(text)
	slices.Sort(all)
	return all
}
