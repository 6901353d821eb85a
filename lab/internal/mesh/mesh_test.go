package mesh

import (
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

func TestValues(t *testing.T) {
	t.Parallel()
	i := Install{Revision: "r1", MeshID: "m", ClusterID: "c1", Network: "n", Hub: "h", Tag: "t", Values: []string{"tag=mine"}}
	values := i.values()
	for _, want := range []string{"revision=r1", "values.global.network=n", "values.global.multiCluster.clusterName=c1"} {
		if !slices.Contains(values, want) {
			t.Errorf("no %s in %v", want, values)
		}
	}
	if values[len(values)-1] != "tag=mine" {
		t.Errorf("values of the caller do not come last: %v", values)
	}
	for _, v := range values {
		// Tests need an istiod which lists Secrets of remotes as one does by default.
		if strings.Contains(v, "REMOTE_CREDENTIALS") {
			t.Errorf("%s must stay at its default", v)
		}
	}
	if i.Istiod() != "istiod-r1" || (Install{}).Istiod() != "istiod" {
		t.Errorf("deployments %s and %s", i.Istiod(), Install{}.Istiod())
	}
}

func TestCAsOfOneRootTrustEachOther(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(path string, data []byte, mode os.FileMode) error { return os.WriteFile(path, data, mode) }
	first, err := SharedRoot(dir, write)
	if err != nil {
		t.Fatal(err)
	}
	again, err := SharedRoot(dir, write)
	if err != nil || string(again.CertPEM) != string(first.CertPEM) {
		t.Fatalf("the root was made anew (%v)", err)
	}
	shared, err := NewCA("c1", again)
	if err != nil {
		t.Fatal(err)
	}
	own, err := NewCA("c2", nil)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(first.CertPEM)
	for name, tt := range map[string]struct {
		ca *CA
		ok bool
	}{"below the shared root": {shared, true}, "below a root of its own": {own, false}} {
		block, _ := pem.Decode(tt.ca.signer.CertPEM)
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := cert.Verify(x509.VerifyOptions{Roots: roots}); (err == nil) != tt.ok {
			t.Errorf("%s: verified %t (%v), want %t", name, err == nil, err, tt.ok)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "root.key")); err != nil {
		t.Error(err)
	}
}

func TestSecretHoldsWhatIstiodReads(t *testing.T) {
	t.Parallel()
	ca, err := NewCA("c1", nil)
	if err != nil {
		t.Fatal(err)
	}
	text, err := ca.Secret()
	if err != nil {
		t.Fatal(err)
	}
	var secret struct {
		Metadata   struct{ Name, Namespace string }
		StringData map[string]string
	}
	if err := yaml.Unmarshal([]byte(text), &secret); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"ca-cert.pem", "ca-key.pem", "root-cert.pem", "cert-chain.pem"} {
		if block, _ := pem.Decode([]byte(secret.StringData[key])); block == nil {
			t.Errorf("%s holds no PEM", key)
		}
	}
	if secret.Metadata.Name != CASecret || secret.Metadata.Namespace != Namespace {
		t.Errorf("secret %+v", secret.Metadata)
	}
}
