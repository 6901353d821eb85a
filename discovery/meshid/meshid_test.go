package meshid

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	securityv1 "istio.io/api/security/v1alpha1"

	"github.com/eastwest-mesh/eastwest/internal/testca"
)

const agent = "spiffe://" + testca.TrustDomain + "/ns/eastwest-system/sa/eastwest-agent"

// istiod signs whatever is asked for with the right token.
type istiod struct {
	securityv1.UnimplementedIstioCertificateServiceServer
	ca *testca.Signer
	// change edits an answer.
	change func([]string) []string
}

func (i *istiod) CreateCertificate(ctx context.Context, in *securityv1.IstioCertificateRequest) (*securityv1.IstioCertificateResponse, error) {
	given, _ := metadata.FromIncomingContext(ctx)
	if strings.Join(given.Get("authorization"), "") != "Bearer good" {
		return nil, status.Error(codes.Unauthenticated, "request authenticate failure")
	}
	block, _ := pem.Decode([]byte(in.GetCsr()))
	if block == nil {
		return nil, status.Error(codes.InvalidArgument, "no CSR")
	}
	csr, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil || csr.CheckSignature() != nil || in.GetValidityDuration() != 24*3600 {
		return nil, status.Error(codes.InvalidArgument, "CSR")
	}
	answer, err := sign(i.ca, csr.PublicKey)
	if i.change != nil {
		answer = i.change(answer)
	}
	return &securityv1.IstioCertificateResponse{CertChain: answer}, err
}

// sign is what istiod answers: the certificate, the way up, and the roots.
func sign(ca *testca.Signer, key any) ([]string, error) {
	id, err := url.Parse(agent)
	if err != nil {
		return nil, err
	}
	der, err := x509.CreateCertificate(nil, &x509.Certificate{
		SerialNumber: ca.Cert.SerialNumber, URIs: []*url.URL{id}, NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}, ca.Cert, key, ca.Key)
	if err != nil {
		return nil, err
	}
	text := func(der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	}
	answer := []string{text(der), text(ca.Cert.Raw)}
	for _, above := range ca.Above {
		answer = append(answer, text(above.Raw))
	}
	return answer, nil
}

// serve starts an istiod whose own certificate leads to a root, and returns with
// what it is asked.
func serve(t *testing.T, one *istiod, root *testca.Signer, token string) Options {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	own := root.Leaf(t, agent, func(c *x509.Certificate) { c.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)} })
	server := grpc.NewServer(grpc.Creds(credentials.NewServerTLSFromCert(own.TLS())))
	securityv1.RegisterIstioCertificateServiceServer(server, one)
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	dir := t.TempDir()
	testca.Write(t, dir, map[string][]byte{"token": []byte(token + "\n"), "root-cert.pem": root.CertPEM()})
	return Options{
		Authority: listener.Addr().String(), Token: filepath.Join(dir, "token"), Root: filepath.Join(dir, "root-cert.pem"),
		Log: slog.New(slog.DiscardHandler),
	}
}

func TestIstiodSigns(t *testing.T) {
	t.Parallel()
	root := testca.Root(t)
	got, err := request(t.Context(), serve(t, &istiod{ca: root.Intermediate(t)}, root, "good"))
	if err != nil {
		t.Fatal(err)
	}
	if ids := got.TLS.Leaf.URIs; len(ids) != 1 || ids[0].String() != agent {
		t.Errorf("it is of %v", ids)
	}
	if len(got.TLS.Certificate) != 2 {
		t.Errorf("%d certificates are sent, want its own and the one between, without the root", len(got.TLS.Certificate))
	}
	if left := time.Until(got.Expiry); left < 59*time.Minute || left > time.Hour || !got.Roots.Equal(root.Pool()) {
		t.Errorf("it ends in %s, or leads to other roots", left)
	}
	if text := fmt.Sprintf("%v %+v %s", got, got, got); strings.Contains(text, "PrivateKey") || !strings.Contains(text, "certificate of the mesh until") {
		t.Errorf("it is printed as %s", text)
	}
}

func TestWhyThereIsNoCertificate(t *testing.T) {
	t.Parallel()
	root, foreign := testca.Root(t), testca.Root(t)
	for name, tc := range map[string]struct {
		istiod *istiod
		spoil  func(*testing.T, *Options)
		says   string
	}{
		"the token is refused": {&istiod{ca: root}, func(t *testing.T, o *Options) {
			testca.Write(t, filepath.Dir(o.Token), map[string][]byte{"token": []byte("stale")})
		}, "Unauthenticated"},
		"there is no token": {&istiod{ca: root}, func(_ *testing.T, o *Options) { o.Token += "-not" }, "read the token"},
		"there is no root":  {&istiod{ca: root}, func(_ *testing.T, o *Options) { o.Root += "-not" }, "read the root"},
		"the root is none":  {&istiod{ca: root}, func(_ *testing.T, o *Options) { o.Root = o.Token }, "holds no certificate"},
		"somebody else is there": {&istiod{ca: root}, func(t *testing.T, o *Options) {
			testca.Write(t, filepath.Dir(o.Root), map[string][]byte{"root-cert.pem": foreign.CertPEM()})
		}, "unknown authority"},
		"the answer has no root":       {&istiod{ca: root, change: func(all []string) []string { return all[:1] }}, nil, "never without a root"},
		"the answer is no certificate": {&istiod{ca: root, change: func([]string) []string { return []string{"a", "b"} }}, nil, "no certificate"},
		"the certificate is another's": {&istiod{ca: root, change: func(all []string) []string { return []string{all[1], all[1]} }}, nil, "another key"},
		"it leads to another root":     {&istiod{ca: root, change: func(all []string) []string { return []string{all[0], string(foreign.CertPEM())} }}, nil, "none of its roots"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			options := serve(t, tc.istiod, root, "good")
			if tc.spoil != nil {
				tc.spoil(t, &options)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			if _, err := request(ctx, options); err == nil || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("error is %v, want %q", err, tc.says)
			}
		})
	}
}

// TestRenewal: half of the life goes by, or the roots change; failures are asked
// again, ever more seldom, and keep what is there until it ends.
func TestRenewal(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "root-cert.pem")
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int64
		var fails atomic.Bool
		k := New(Options{Root: path, Log: slog.New(slog.DiscardHandler)})
		k.ask = func(context.Context) (Certificate, error) {
			asked.Add(1)
			if fails.Load() {
				return Certificate{}, errors.New("istiod is away")
			}
			return Certificate{Issued: time.Now(), Expiry: time.Now().Add(24 * time.Hour)}, nil
		}
		if _, err := k.Current(); err == nil {
			t.Error("there is a certificate before anybody was asked")
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go func() { _ = k.Run(ctx) }()
		want := func(when string, least, most int64) {
			t.Helper()
			synctest.Wait()
			if got := asked.Swap(0); got < least || got > most {
				t.Errorf("%s istiod was asked %d times, want %d to %d", when, got, least, most)
			}
		}
		want("at the start", 1, 1)
		time.Sleep(10 * time.Hour)
		want("before half of the life", 0, 0)
		time.Sleep(4 * time.Hour)
		want("after half of the life", 1, 1)
		if err := os.WriteFile(path, []byte("other roots"), 0o600); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * look)
		want("after the roots changed", 1, 1)
		fails.Store(true)
		for range 14 * time.Hour / look {
			if time.Sleep(look); asked.Load() > 0 {
				break
			}
		}
		time.Sleep(time.Hour)
		want("in the first hour without istiod", 50, 80)
		if _, err := k.Current(); err != nil {
			t.Errorf("what is there is dropped: %v", err)
		}
		time.Sleep(13 * time.Hour)
		if _, err := k.Current(); err == nil || !strings.Contains(err.Error(), "istiod is away") {
			t.Errorf("error is %v", err)
		}
		fails.Store(false)
		time.Sleep(2 * lastRetry)
		if _, err := k.Current(); err != nil {
			t.Errorf("it does not come back: %v", err)
		}
	})
}
