package kubeconfig

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/eastwest-mesh/eastwest/internal/problem"
)

// pair is a certificate and its key, as PEM.
type pair struct{ cert, key []byte }

func (p pair) cert64() string { return base64.StdEncoding.EncodeToString(p.cert) }
func (p pair) key64() string  { return base64.StdEncoding.EncodeToString(p.key) }

// issue makes a self-signed certificate; change edits its template.
func issue(t testing.TB, change func(*x509.Certificate)) pair {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "kubernetes"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	if change != nil {
		change(template)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pair{
		cert: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		key:  pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}),
	}
}

func expired(c *x509.Certificate) {
	c.NotBefore, c.NotAfter = time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour)
}

func leaf(c *x509.Certificate) { c.IsCA, c.KeyUsage = false, x509.KeyUsageDigitalSignature }

// jwt is an unsigned token that expires at a time.
func jwt(t testing.TB, expiry time.Time) string {
	t.Helper()
	part := base64.RawURLEncoding.EncodeToString
	return part([]byte(`{"alg":"none"}`)) + "." + part([]byte(`{"exp":`+strconv.FormatInt(expiry.Unix(), 10)+`}`)) + ".sig"
}

// doc is a kubeconfig with one context whose cluster and user hold the given
// fields, as a value that marshals to JSON, which is YAML as well.
func doc(t testing.TB, cluster, user map[string]any) []byte {
	t.Helper()
	return marshal(t, map[string]any{
		"apiVersion": "v1", "kind": "Config", "current-context": "east",
		"clusters": []any{map[string]any{"name": "east-cluster", "cluster": cluster}},
		"users":    []any{map[string]any{"name": "east-user", "user": user}},
		"contexts": []any{map[string]any{"name": "east", "context": map[string]any{
			"cluster": "east-cluster", "user": "east-user", "namespace": "team",
		}}},
	})
}

func marshal(t testing.TB, value any) []byte {
	t.Helper()
	data, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// with returns a copy of fields with one changed; nil removes it.
func with(fields map[string]any, name string, value any) map[string]any {
	out := map[string]any{}
	for k, v := range fields {
		out[k] = v
	}
	if out[name] = value; value == nil {
		delete(out, name)
	}
	return out
}

// write puts a file into a fresh folder.
func write(t testing.TB, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// wantProblem checks code, kind and text of a rejection.
func wantProblem(t *testing.T, err error, code, text string) {
	t.Helper()
	var p *problem.Error
	if !errors.As(err, &p) {
		t.Fatalf("error is no problem: %v", err)
	}
	if p.Kind != problem.Input || problem.ExitCode(err) != problem.ExitInput {
		t.Errorf("kind %v, exit %d: want input, 2", p.Kind, problem.ExitCode(err))
	}
	if p.Code != code {
		t.Errorf("code %q, want %q (%v)", p.Code, code, err)
	}
	if !strings.Contains(err.Error()+"\n"+p.Fix, text) {
		t.Errorf("error %q, fix %q: want %q in it", err, p.Fix, text)
	}
}

func concat(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

// wantInput requires a rejection that ends with exit code 2 and is short.
func wantInput(t *testing.T, err error) {
	t.Helper()
	if problem.ExitCode(err) != problem.ExitInput {
		t.Fatalf("exit code %d for %v", problem.ExitCode(err), err)
	}
	if len(err.Error()) > 8192 {
		t.Fatalf("error of %d bytes", len(err.Error()))
	}
}
