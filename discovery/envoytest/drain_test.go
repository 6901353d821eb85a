//go:build envoy

package envoytest

import (
	"bytes"
	"context"
	"testing"
	"time"

	"github.com/eastwest-mesh/eastwest/discovery/cli"
)

// TestDrain runs what a gateway's pod runs before it stops.
func TestDrain(t *testing.T) {
	t.Parallel()
	p := newPair(t, database)
	staying := open(t, p.at, p.remote)
	prober := probe(t, p.connect)
	await(t, "both pods answer", patience, func() error { return missing(shares(20, p.connect), p.local, p.remote) })

	const life = drainSeconds * time.Second
	began := time.Now()
	ended := make(chan int, 1)
	var told bytes.Buffer
	go func() {
		ended <- cli.Run(context.WithoutCancel(t.Context()), []string{"drain", "--admin", p.gateways[c2].admin(), "--for", life.String()}, &told, &told)
	}()
	count, of, err := failed(prober, func() {
		only(t, prober, p.local, life)
		t.Logf("figure: new connections go elsewhere after %v", time.Since(began).Round(100*time.Millisecond))
		// Until the very end.
		for open := true; open; {
			select {
			case code := <-ended:
				open = false
				if code != 0 {
					t.Errorf("drain ended with %d: %s", code, told.String())
				}
			default:
				if err := staying.echo(); err != nil {
					t.Errorf("the open connection ended after %v: %v", time.Since(began), err)
					open = <-ended != 0
				}
			}
		}
		p.gateways[c2].kill()
	})
	if took := time.Since(began); took < life {
		t.Errorf("drain ended after %v, want %v", took, life)
	}
	t.Logf("figure: %d of %d new connections failed until the gateway was gone", count, of)
	if count > 0 {
		t.Errorf("%d of %d new connections failed, the last: %v", count, of, err)
	}
	if staying.echo() == nil {
		t.Error("a connection outlived its gateway")
	}
}
