//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/eastwest-mesh/eastwest/lab/e2e/internal/objects"
)

// testKilled is row F45: create-mesh is killed at any of its calls. Between two
// writes nothing changes, so a run that is killed at a read leaves what one that
// was killed after the write before it leaves: it is enough to kill at every
// write, and to try some reads too.
func testKilled(t *testing.T) {
	f := newFront(t, 1, 2)
	before := [2]snapshot{linkObjects(t, 1), linkObjects(t, 2)}
	var calls int
	f.gate = f.counting(&calls)
	must(t, join([]string{"create-mesh"}, f.members)...)
	wantRemotes(t, 1, 2)
	after := [2]snapshot{linkObjects(t, 1), linkObjects(t, 2)}
	suite.figures.note("create-mesh of 2 clusters through a front: %d calls", calls)
	unlink(t)

	t.Run("every write, each run going on from the one before", func(t *testing.T) {
		runs := 1
		for ; f.killAfterWrite(t); runs++ {
			if runs > 60 {
				t.Fatal("60 runs that were each killed after a write came to no end")
			}
			for i := range before {
				wantOldOrNew(t, i+1, before[i], linkObjects(t, i+1), after[i])
			}
		}
		t.Logf("the run after %d killed ones came to its end", runs-1)
		wantRemotes(t, 1, 2)
		wantSettled(t)
	})
	for _, share := range []int{10, 30, 45, 75, 85, 95} {
		t.Run(fmt.Sprintf("the call at %d %% of the way, then down", share), func(t *testing.T) {
			unlink(t)
			f.killAtCall(t, calls*share/100)
			wantLabelled(t, before)
			unlink(t)
			wantNothingLeft(t, before)
		})
	}
	t.Run("the call at 80 % of the way, then again", func(t *testing.T) {
		f.killAtCall(t, calls*80/100)
		must(t, createMesh([]int{1, 2})...)
		wantRemotes(t, 1, 2)
	})
}

// counting counts calls.
func (f *front) counting(n *int) func(*http.Request, func()) {
	var mu sync.Mutex
	return func(_ *http.Request, forward func()) {
		mu.Lock()
		*n++
		mu.Unlock()
		forward()
	}
}

// start starts a run of create-mesh through the front.
func (f *front) start(t *testing.T) (cmd *exec.Cmd, errors *bytes.Buffer) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	errors = &bytes.Buffer{}
	cmd = command(ctx, t.TempDir(), join([]string{"create-mesh"}, f.members)...)
	cmd.Stderr = errors
	return cmd, errors
}

// killAfterWrite runs create-mesh and kills it as soon as its first write has
// been done, probe pods not counted. It is false for a run that wrote nothing.
func (f *front) killAfterWrite(t *testing.T) bool {
	t.Helper()
	cmd, errors := f.start(t)
	var mu sync.Mutex
	killed := false
	f.gate = func(r *http.Request, forward func()) {
		if !isWrite(r) || strings.Contains(r.URL.Path, "/pods") {
			forward()
			return
		}
		mu.Lock()
		defer mu.Unlock()
		if !killed {
			forward()
			_ = cmd.Process.Kill() // it may just have ended by itself
		}
		killed = true
	}
	err := cmd.Run()
	mu.Lock()
	defer mu.Unlock()
	if !killed && err != nil {
		t.Fatalf("%v: %s", err, errors)
	}
	return killed
}

// killAtCall kills create-mesh when it makes its k-th call, which is not
// forwarded, and neither is what comes after.
func (f *front) killAtCall(t *testing.T, k int) {
	t.Helper()
	cmd, _ := f.start(t)
	var mu sync.Mutex
	calls := 0
	f.gate = func(r *http.Request, forward func()) {
		mu.Lock()
		calls++
		late := calls >= k
		if calls == k {
			t.Logf("killed at call %d: %s %s", k, r.Method, r.URL.Path)
			_ = cmd.Process.Kill()
		}
		mu.Unlock()
		if !late {
			forward()
		}
	}
	if err := cmd.Run(); err == nil {
		t.Errorf("create-mesh ended by itself before call %d", k)
	}
}

// linkKinds are the kinds that create-mesh makes.
const linkKinds = "namespaces,serviceaccounts,clusterroles,clusterrolebindings,roles,rolebindings,secrets,configmaps"

// linkObjects are the objects of those kinds, with tokens left out: each
// account has another one.
func linkObjects(t *testing.T, i int) snapshot {
	t.Helper()
	ctx, cancel := bounded(t)
	defer cancel()
	s, err := snapOf(ctx, i, linkKinds)
	if err != nil {
		t.Fatal(err)
	}
	for key, o := range s {
		if o["type"] == "kubernetes.io/service-account-token" {
			delete(o, "data") // the controller fills it, and names the account
			delete(objects.Child(objects.Child(o, "metadata"), "annotations"), "kubernetes.io/service-account.uid")
			delete(objects.Child(objects.Child(o, "metadata"), "labels"), "kubernetes.io/legacy-token-last-used") // the API server's, when istiod has come
		}
		if strings.Contains(key, "istio-remote-secret-") {
			for id, content := range objects.Child(o, "data") {
				text, err := base64.StdEncoding.DecodeString(fmt.Sprint(content))
				if err != nil {
					t.Fatal(err)
				}
				objects.Child(o, "data")[id] = tokenLine.ReplaceAllString(string(text), "token: (some)")
			}
		}
	}
	return s
}

var tokenLine = regexp.MustCompile(`token: \S+`)

// wantOldOrNew wants each object as it was before, or as it is in the end.
func wantOldOrNew(t *testing.T, i int, before, now, after snapshot) {
	t.Helper()
	for key, o := range now {
		if !cmp.Equal(o, before[key]) && !cmp.Equal(o, after[key]) {
			t.Errorf("%s in c%d is neither old nor new (-new +now)\n%s", key, i, cmp.Diff(after[key], o))
		}
	}
	for key := range before {
		if _, ok := now[key]; !ok {
			t.Errorf("%s in c%d is gone", key, i)
		}
	}
}
