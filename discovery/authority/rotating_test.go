package authority

import (
	"context"
	"crypto/x509"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eastwest-mesh/eastwest/internal/testca"
)

// swap puts files into a folder as a Kubernetes volume does: in a folder of their
// own, that the link ..data is then turned to by a rename.
func swap(t *testing.T, dir, name string, files map[string][]byte) {
	t.Helper()
	if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
		t.Fatal(err)
	}
	testca.Write(t, filepath.Join(dir, name), files)
	next := filepath.Join(dir, "..data_tmp")
	if err := os.Symlink(name, next); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(next, filepath.Join(dir, "..data")); err != nil {
		t.Fatal(err)
	}
	for file := range files {
		if err := os.Symlink(filepath.Join("..data", file), filepath.Join(dir, file)); err != nil && !os.IsExist(err) {
			t.Fatal(err)
		}
	}
}

func TestReloadOfASwappedVolume(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		before, after := testca.Root(t), testca.Root(t)
		swap(t, dir, "..one", before.Intermediate(t).Files(t))
		a, err := Open(Options{Dir: dir, TrustDomain: testca.TrustDomain})
		if err != nil {
			t.Fatal(err)
		}
		defer run(t, a.Run)()
		changed := a.Changed()
		swap(t, dir, "..two", after.Intermediate(t).Files(t, before, after))
		<-changed
		if got := len(certificates(t, a.Roots())); got != 2 {
			t.Errorf("%d roots, want the old and the new one", got)
		}
		pair, err := a.Issue(gateway, 0)
		if err != nil {
			t.Fatal(err)
		}
		if err := verify(t, pair, after, time.Now()); err != nil {
			t.Errorf("certificate of the new CA: %v", err)
		}
	})
}

func TestReloadKeepsWhatWorks(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		root := testca.Root(t)
		good := root.Intermediate(t).Files(t)
		testca.Write(t, dir, good)
		a, err := Open(Options{Dir: dir, TrustDomain: testca.TrustDomain, Poll: time.Second})
		if err != nil {
			t.Fatal(err)
		}
		defer run(t, a.Run)()
		testca.Write(t, dir, map[string][]byte{caKeyFile: testca.Root(t).KeyPEM(t)})
		<-time.After(1500 * time.Millisecond)
		if a.Problem() == nil {
			t.Error("no problem with a foreign key")
		}
		pair, err := a.Issue(gateway, 0)
		if err != nil || verify(t, pair, root, time.Now()) != nil {
			t.Errorf("the CA read before does not issue: %v", err)
		}
		testca.Write(t, dir, good)
		<-time.After(1500 * time.Millisecond)
		if err := a.Problem(); err != nil {
			t.Errorf("problem after repair: %v", err)
		}
	})
}

func TestRotatingRenewsAtHalfLife(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		root := testca.Root(t)
		testca.Write(t, dir, root.Intermediate(t).Files(t))
		a, err := Open(Options{Dir: dir, TrustDomain: testca.TrustDomain})
		if err != nil {
			t.Fatal(err)
		}
		r, err := a.Rotating(gateway, 0)
		if err != nil {
			t.Fatal(err)
		}
		renewals := make(chan Pair)
		defer run(t, func(ctx context.Context) error { return r.Run(ctx, func(p Pair) { renewals <- p }) })()
		start := time.Now()
		for range 5 {
			pair := <-renewals
			if pause := time.Since(start); pause < 10*time.Hour+48*time.Minute || pause > 13*time.Hour+12*time.Minute {
				t.Errorf("renewed after %s, want 12 h and at most a tenth off", pause)
			}
			start = time.Now()
			if err := verify(t, pair, root, time.Now()); err != nil {
				t.Errorf("renewed certificate: %v", err)
			}
			if cert, err := r.Certificate(); err != nil || !cert.Leaf.NotAfter.Equal(pair.Expiry) {
				t.Errorf("the certificate for TLS is not the renewed one: %v", err)
			}
		}
	})
}

func TestRotatingFollowsTheCA(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		before, after := testca.Root(t), testca.Root(t)
		testca.Write(t, dir, before.Intermediate(t).Files(t))
		a, err := Open(Options{Dir: dir, TrustDomain: testca.TrustDomain})
		if err != nil {
			t.Fatal(err)
		}
		defer run(t, a.Run)()
		r, err := a.Rotating(gateway, 0)
		if err != nil {
			t.Fatal(err)
		}
		renewals := make(chan Pair)
		defer run(t, func(ctx context.Context) error { return r.Run(ctx, func(p Pair) { renewals <- p }) })()
		start := time.Now()
		testca.Write(t, dir, after.Intermediate(t).Files(t))
		if err := verify(t, <-renewals, after, time.Now()); err != nil {
			t.Errorf("certificate of the new CA: %v", err)
		}
		if passed := time.Since(start); passed > 2*defaultPoll {
			t.Errorf("renewed %s after the change", passed)
		}
	})
}

func TestRotatingOutlivesACAThatEnds(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		root := testca.Root(t)
		testca.Write(t, dir, root.Intermediate(t, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(time.Hour) }).Files(t))
		a, err := Open(Options{Dir: dir, TrustDomain: testca.TrustDomain})
		if err != nil {
			t.Fatal(err)
		}
		defer run(t, a.Run)()
		r, err := a.Rotating(gateway, 0)
		if err != nil {
			t.Fatal(err)
		}
		issued := 0
		defer run(t, func(ctx context.Context) error { return r.Run(ctx, func(Pair) { issued++ }) })()
		<-time.After(2 * time.Hour)
		synctest.Wait()
		if issued > 20 {
			t.Errorf("%d certificates in the last hour of a CA: it is asked in a loop", issued)
		}
		if _, err := r.Certificate(); err == nil || r.Problem() == nil {
			t.Error("an expired certificate is served without a word")
		}
		testca.Write(t, dir, root.Intermediate(t).Files(t))
		<-time.After(2 * defaultPoll)
		synctest.Wait()
		if _, err := r.Certificate(); err != nil || r.Problem() != nil {
			t.Errorf("a new CA did not heal it: %v, %v", err, r.Problem())
		}
	})
}
