package authority

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"sync"
	"testing"
	"time"

	"github.com/eastwest-mesh/eastwest/internal/testca"
)

const gateway = "spiffe://cluster.local/ns/eastwest-system/sa/gateway-east"

// open makes an authority over a folder with the signer's files.
func open(t testing.TB, ca *testca.Signer, roots ...*testca.Signer) (*Authority, string) {
	t.Helper()
	dir := t.TempDir()
	testca.Write(t, dir, ca.Files(t, roots...))
	a, err := Open(Options{Dir: dir, TrustDomain: testca.TrustDomain, Poll: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	return a, dir
}

// run starts something that ends with ctx, and ends it with the test at the latest.
func run(t testing.TB, work func(context.Context) error) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	group.Go(func() {
		if err := work(ctx); err != nil {
			t.Error(err)
		}
	})
	return func() {
		cancel()
		group.Wait()
	}
}

// certificates reads PEM as a peer does.
func certificates(t testing.TB, text []byte) []*x509.Certificate {
	t.Helper()
	var certs []*x509.Certificate
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		certs = append(certs, cert)
	}
	return certs
}

// verify judges a pair as a peer does that trusts root, at some moment.
func verify(t testing.TB, pair Pair, root *testca.Signer, at time.Time) error {
	t.Helper()
	certs := certificates(t, pair.Chain)
	between := x509.NewCertPool()
	for _, cert := range certs[1:] {
		between.AddCert(cert)
	}
	for _, usage := range []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth} {
		_, err := certs[0].Verify(x509.VerifyOptions{
			Roots: root.Pool(), Intermediates: between, CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{usage},
		})
		if err != nil {
			return err
		}
	}
	return nil
}
