//go:build e2e

package agentfaults

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/eastwest-mesh/eastwest/internal/faultproxy"
)

// replica is an agent whose requests to the own cluster are seen.
type replica struct {
	*agent
	front *faultproxy.Front
}

// wrote are the changes that it made since a moment, beside those of the Lease.
func (r replica) wrote(since time.Time) []faultproxy.Request {
	var all []faultproxy.Request
	for _, one := range r.front.Requests() {
		writes := one.Method != http.MethodGet && one.Status >= 200 && one.Status < 300
		if writes && one.At.After(since) && !strings.Contains(one.Path, "/leases") {
			all = append(all, one)
		}
	}
	return all
}

// TestF27 freezes the replica that writes, and lets it go on when another one does.
func TestF27(t *testing.T) {
	slow(t)
	namespace := shop(t, 20, peer)
	replicas := make([]replica, 2)
	for i := range replicas {
		front, config := faultproxy.NewFront(t, own.Config())
		replicas[i] = replica{start(t, options{
			namespace: namespace, members: []member{{"c2", peer.Config()}}, pod: fmt.Sprintf("agent-%d", i), own: config,
		}), front}
		if i == 0 {
			await(t, "it writes", func(context.Context) error {
				return unless(replicas[0].logged("this replica writes") == 1, "it does not")
			})
		}
	}
	first, second := replicas[0], replicas[1]
	awaitShown(t, "c2", "ready", "watched")
	count := 0
	// work makes something that only a write of an agent answers.
	work := func() {
		t.Helper()
		count++
		peer.makeService(t, namespace, fmt.Sprintf("pay-%d", count))
	}
	done := func() {
		t.Helper()
		await(t, "every service has its derived one", func(ctx context.Context) error {
			list, err := own.kube.CoreV1().Services(namespace).List(ctx, metav1.ListOptions{LabelSelector: "eastwest.dev/derived"})
			if err != nil {
				return err
			}
			return unless(len(list.Items) == count+1, "there are %d, want %d", len(list.Items), count+1)
		})
	}
	g := second.connect(t, nil)

	// Its neighbour: a pause that is shorter than the Lease changes no roles.
	began := time.Now()
	first.signal(t, unix.SIGSTOP)
	second.pass(t, 5*time.Second)
	work()
	first.signal(t, unix.SIGCONT)
	done()
	if wrote := second.wrote(began); len(wrote) > 0 {
		t.Errorf("the second wrote %+v", wrote)
	}

	began = time.Now()
	first.signal(t, unix.SIGSTOP)
	work()
	done()
	t.Logf("the other one wrote after %s", time.Since(began).Round(time.Millisecond))
	second.pass(t, time.Until(began.Add(time.Minute)))
	work()
	done()
	g.awaitShare(t, namespace, "c2", share{weight: 20})
	resumed := time.Now()
	first.signal(t, unix.SIGCONT)
	for range 5 {
		work()
		done()
		second.pass(t, 2*time.Second)
	}
	if wrote := first.wrote(began); len(wrote) > 0 {
		t.Errorf("the one that was frozen wrote %+v", wrote)
	}
	await(t, "exactly one writes", func(context.Context) error {
		return errors.Join(
			unless(first.metric(t, "eastwest_leader") == 0, "the first does"),
			unless(second.metric(t, "eastwest_leader") == 1, "the second does not"))
	})
	if len(second.wrote(resumed)) == 0 {
		t.Error("the second wrote nothing: nothing was tested")
	}
}
