//go:build e2e

package plainfaults

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/eastwest-mesh/eastwest/lab/e2e/internal/rig"
)

// testReach wants every cluster to reach the service of every one, itself included.
func testReach(t *testing.T) {
	suite.Each(func(from int) {
		c := newClient(from, false)
		suite.Each(func(to int) {
			want := fmt.Sprintf("c%d", to)
			host := derived(t, from, "own-"+want)
			took := rig.Await(t, fmt.Sprintf("c%d reaches own-%s", from, want), 30*time.Second, func(ctx context.Context) error {
				version, err := c.call(ctx, host, tcpPort)
				if err == nil && version != want {
					t.Errorf("c%d -> %s is answered by %s", from, want, version)
				}
				return err
			})
			for range 10 {
				if version, err := c.call(t.Context(), host, tcpPort); err != nil || version != want {
					t.Errorf("c%d -> %s: answered by %q, %v", from, want, version, err)
				}
			}
			t.Logf("c%d -> %s after %s", from, want, took.Round(time.Millisecond))
		})
	})
}

// testWeight wants each cluster to be answered by all, each by as much as it has
// endpoints.
func testWeight(t *testing.T) {
	const calls = 400
	total := 0
	for _, count := range replicas {
		total += count
	}
	suite.Each(func(from int) {
		host := derived(t, from, "hello")
		c := newClient(from, false)
		for _, port := range []int{httpPort, tcpPort} {
			awaitAll(t, c, host, port)
			counts := map[string]int{}
			for range calls {
				version, err := c.call(t.Context(), host, port)
				if err != nil {
					t.Errorf("c%d, port %d: %v", from, port, err)
				}
				counts[version]++
			}
			t.Logf("from c%d on port %d: %v", from, port, counts)
			for i, count := range replicas {
				share, want := float64(counts[fmt.Sprintf("c%d", i)])/calls, float64(count)/float64(total)
				if share < want-0.1 || share > want+0.1 {
					t.Errorf("from c%d on port %d: %v; c%d has a share of %.2f, want %.2f", from, port, counts, i, share, want)
				}
			}
		}
	})
}

// awaitAll waits until all clusters answer.
func awaitAll(t *testing.T, c *client, host string, port int) {
	t.Helper()
	seen := map[string]bool{}
	rig.Await(t, fmt.Sprintf("all clusters answer on %s:%d", host, port), 30*time.Second, func(ctx context.Context) error {
		version, err := c.call(ctx, host, port)
		if err != nil {
			return err
		}
		if seen[version] = true; len(seen) < len(suite.Lab.Clusters) {
			return fmt.Errorf("so far %v", seen)
		}
		return nil
	})
}

// testBalance sends many requests over one connection: where they can be told apart
// each is balanced, elsewhere they stay together.
func testBalance(t *testing.T) {
	const calls = 120
	host := derived(t, 1, "hello")
	for name, one := range map[string]struct {
		client   *client
		call     func(c *client) (string, error)
		clusters int
	}{
		"HTTP/1.1 on a port named http": {newClient(1, true), func(c *client) (string, error) { return c.call(t.Context(), host, httpPort) }, 3},
		"gRPC on a port named grpc":     {newGRPC(1), func(c *client) (string, error) { return c.say(t.Context(), host) }, 3},
		"HTTP/1.1 on a port named tcp":  {newClient(1, true), func(c *client) (string, error) { return c.call(t.Context(), host, tcpPort) }, 1},
	} {
		t.Run(name, func(t *testing.T) {
			defer one.client.close()
			counts := map[string]int{}
			for range calls {
				version, err := one.call(one.client)
				if err != nil {
					t.Fatal(err)
				}
				counts[version]++
			}
			t.Logf("%d requests over %d connection: %v", calls, one.client.dials.Load(), counts)
			if one.client.dials.Load() != 1 || len(counts) != one.clusters {
				t.Errorf("%d connections, answered by %v, want one connection and %d clusters", one.client.dials.Load(), counts, one.clusters)
			}
		})
	}
}
