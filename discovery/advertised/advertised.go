// Package advertised owns that the local istiod finds other members' gateways where
// the installer said: it restores the Gateway API objects with advertised addresses,
// as they were recorded beside the members' credentials, when they were changed or
// deleted. One replica at a time does.
//
// It must not know how such an object is made, and touches none that is not recorded.
package advertised

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"

	"github.com/eastwest-mesh/eastwest/discovery/model"
	"github.com/eastwest-mesh/eastwest/internal/subset"
)

const (
	// look is how often the objects are compared with what was recorded: an address
	// that is wrong for an hour is an outage, and istiod itself needs seconds.
	look = 10 * time.Second
	// timeout bounds one request, most how many objects of a member are looked at.
	timeout = 10 * time.Second
	most    = 64
)

// manager is the installer's field manager: what is restored stays its own, so that
// it may change it later.
const manager = "eastwest"

// remoteClass marks gateways that are elsewhere; an object of it deploys nothing.
const remoteClass = "istio-remote"

var gateways = schema.GroupVersionResource{Group: "gateway.networking.k8s.io", Version: "v1", Resource: "gateways"}

// Result is how the objects of one member are.
type Result struct {
	// Problem is why they are not as they were recorded; empty where they are.
	Problem string
	// Restored counts how often that was mended, Last is when.
	Restored int
	Last     time.Time
}

// Keeper keeps the objects. Its results may be read while it runs.
type Keeper struct {
	Client dynamic.Interface
	// Recorded is what the installer left, by member: a JSON list of objects.
	Recorded func() map[model.MemberName][]byte
	Log      *slog.Logger

	mu      sync.Mutex // guards results
	results map[model.MemberName]Result
}

// Result is how the objects of a member are; false where none are recorded, or
// nobody has looked yet.
func (k *Keeper) Result(member model.MemberName) (Result, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	result, known := k.results[member]
	return result, known
}

// Run looks until ctx ends. What it found is forgotten then: somebody else looks.
func (k *Keeper) Run(ctx context.Context) {
	defer func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		k.results = nil
	}()
	ticker := time.NewTicker(look)
	defer ticker.Stop()
	for {
		k.Once(ctx)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// Once restores what differs now.
func (k *Keeper) Once(ctx context.Context) {
	recorded := k.Recorded()
	for _, member := range slices.Sorted(maps.Keys(recorded)) {
		restored, err := k.keep(ctx, recorded[member])
		if ctx.Err() != nil {
			return
		}
		k.note(member, restored, err)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	maps.DeleteFunc(k.results, func(member model.MemberName, _ Result) bool { return recorded[member] == nil })
}

// note keeps a result, and logs a failure once.
func (k *Keeper) note(member model.MemberName, restored int, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.results == nil {
		k.results = map[model.MemberName]Result{}
	}
	result := k.results[member]
	last := result.Problem
	result.Problem = ""
	if err != nil {
		result.Problem = err.Error()
	}
	if result.Problem != "" && result.Problem != last {
		k.Log.Error("restore advertised addresses", "member", member, "error", err)
	}
	if restored > 0 {
		result.Restored, result.Last = result.Restored+restored, time.Now()
		k.Log.Warn("advertised addresses were not as recorded, and are restored", "member", member)
	}
	k.results[member] = result
}

// keep brings the objects of one member to what was recorded.
func (k *Keeper) keep(ctx context.Context, text []byte) (restored int, err error) {
	var recorded []unstructured.Unstructured
	if err := json.Unmarshal(text, &recorded); err != nil {
		return 0, fmt.Errorf("read what was recorded: %w", err)
	}
	if len(recorded) > most {
		return 0, fmt.Errorf("%d objects are recorded, more than %d", len(recorded), most)
	}
	for i := range recorded {
		changed, err := k.restore(ctx, &recorded[i])
		if changed {
			restored++
		}
		if err != nil {
			return restored, fmt.Errorf("keep Gateway %s/%s: %w", recorded[i].GetNamespace(), recorded[i].GetName(), err)
		}
	}
	return restored, nil
}

// restore brings one object to what was recorded, and says whether it differed.
func (k *Keeper) restore(ctx context.Context, wanted *unstructured.Unstructured) (bool, error) {
	class, _, _ := unstructured.NestedString(wanted.Object, "spec", "gatewayClassName")
	if wanted.GroupVersionKind() != gateways.GroupVersion().WithKind("Gateway") || class != remoteClass {
		return false, fmt.Errorf("a %s of class %q is not to be kept", wanted.GroupVersionKind(), class)
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	client := k.Client.Resource(gateways).Namespace(wanted.GetNamespace())
	have, err := client.Get(ctx, wanted.GetName(), metav1.GetOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		return false, err
	}
	if err == nil && subset.Holds(have.Object, wanted.Object) {
		return false, nil
	}
	have, err = client.Apply(ctx, wanted.GetName(), wanted, metav1.ApplyOptions{FieldManager: manager, Force: true})
	if err != nil {
		return false, err
	}
	if !subset.Holds(have.Object, wanted.Object) {
		return false, errors.New("somebody else adds to it")
	}
	return true, nil
}
