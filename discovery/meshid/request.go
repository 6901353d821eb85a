package meshid

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	securityv1 "istio.io/api/security/v1alpha1"
)

const (
	// timeout bounds one request.
	timeout = 10 * time.Second
	// life is what istiod gives to workloads, too.
	life = 24 * time.Hour
	// least keeps a CA near its end, whose certificates live ever shorter, from being
	// asked in a loop.
	least = 2 * time.Minute
)

// request asks istiod for a certificate with a new key. Whom it names is for
// istiod to say: it reads that from the token.
// Source: istio.io/istio/security/pkg/nodeagent/caclient/providers/citadel.
func request(ctx context.Context, o Options) (Certificate, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	key, csr, err := newRequest()
	if err != nil {
		return Certificate{}, err
	}
	token, err := os.ReadFile(o.Token)
	if err != nil {
		return Certificate{}, fmt.Errorf("read the token for istiod: %w", err)
	}
	server, err := serverTrust(o.Root)
	if err != nil {
		return Certificate{}, err
	}
	conn, err := grpc.NewClient("dns:///"+o.Authority, grpc.WithTransportCredentials(credentials.NewTLS(server)))
	if err != nil {
		return Certificate{}, fmt.Errorf("connect to istiod: %w", err)
	}
	defer conn.Close()
	ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+strings.TrimSpace(string(token)))
	answer, err := securityv1.NewIstioCertificateServiceClient(conn).CreateCertificate(ctx,
		&securityv1.IstioCertificateRequest{Csr: csr, ValidityDuration: int64(life / time.Second)}, grpc.WaitForReady(true))
	if err != nil {
		return Certificate{}, fmt.Errorf("istiod signs no certificate: %s: %s", status.Code(err), status.Convert(err).Message())
	}
	return assemble(key, answer.GetCertChain(), time.Now())
}

// newRequest makes a key and the request for its certificate.
func newRequest() (*ecdsa.PrivateKey, string, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, "", fmt.Errorf("make a key: %w", err)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		return nil, "", fmt.Errorf("make a certificate request: %w", err)
	}
	return key, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der})), nil
}

// serverTrust is what istiod's own certificate must lead to.
func serverTrust(path string) (*tls.Config, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the root of the mesh: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("read the root of the mesh: %s holds no certificate", path)
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots}, nil
}

// assemble makes a certificate of istiod's answer: the certificate, what it must be
// sent with, and last the roots.
func assemble(key *ecdsa.PrivateKey, texts []string, now time.Time) (Certificate, error) {
	if len(texts) < 2 {
		return Certificate{}, fmt.Errorf("istiod answers with %d certificates, and never without a root", len(texts))
	}
	certificates, err := parse(strings.Join(texts, "\n"))
	if err != nil {
		return Certificate{}, err
	}
	leaf := certificates[0]
	if !key.PublicKey.Equal(leaf.PublicKey) {
		return Certificate{}, errors.New("istiod answers with a certificate of another key")
	}
	if now.Add(least).After(leaf.NotAfter) {
		return Certificate{}, fmt.Errorf("istiod answers with a certificate that ends at %s", leaf.NotAfter.UTC().Format(time.RFC3339))
	}
	out := Certificate{
		TLS: &tls.Certificate{PrivateKey: key, Leaf: leaf}, Roots: x509.NewCertPool(), Issued: now, Expiry: leaf.NotAfter,
	}
	for i, one := range certificates {
		if i > 0 && selfSigned(one) {
			out.Roots.AddCert(one)
			continue
		}
		out.TLS.Certificate = append(out.TLS.Certificate, one.Raw)
	}
	between := x509.NewCertPool()
	for _, one := range certificates[1:] {
		between.AddCert(one)
	}
	if _, err := leaf.Verify(x509.VerifyOptions{
		Roots: out.Roots, Intermediates: between, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}); err != nil {
		return Certificate{}, fmt.Errorf("istiod answers with a certificate that leads to none of its roots: %w", err)
	}
	return out, nil
}

// selfSigned tells roots from what is between: istiod sends some of its roots both
// as the end of the chain and as a root.
func selfSigned(one *x509.Certificate) bool {
	return one.IsCA && string(one.RawSubject) == string(one.RawIssuer) && one.CheckSignatureFrom(one) == nil
}

func parse(text string) ([]*x509.Certificate, error) {
	var all []*x509.Certificate
	for rest := []byte(text); ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		one, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("read istiod's answer: %w", err)
		}
		all = append(all, one)
	}
	if len(all) == 0 {
		return nil, errors.New("istiod answers with no certificate")
	}
	return all, nil
}
