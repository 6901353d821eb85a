package authority

import (
	"bytes"
	"crypto/x509"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/eastwest-mesh/eastwest/internal/testca"
)

func TestOpenRefusesBrokenFolders(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		// ca makes the authority; an intermediate below a root by default.
		ca    func(*testing.T) *testca.Signer
		spoil func(t *testing.T, files map[string][]byte)
		want  string
	}{
		"no certificate": {
			spoil: func(_ *testing.T, files map[string][]byte) { delete(files, caCertFile) }, want: "ca-cert.pem: no such file",
		},
		"no key": {
			spoil: func(_ *testing.T, files map[string][]byte) { delete(files, caKeyFile) }, want: "ca-key.pem: no such file",
		},
		"no chain": {
			spoil: func(_ *testing.T, files map[string][]byte) { delete(files, chainFile) }, want: "cert-chain.pem: no such file",
		},
		"no roots": {
			spoil: func(_ *testing.T, files map[string][]byte) { delete(files, rootsFile) }, want: "root-cert.pem: no such file",
		},
		"an empty certificate": {
			spoil: func(_ *testing.T, files map[string][]byte) { files[caCertFile] = nil }, want: "ca-cert.pem: holds no certificate",
		},
		"a key that is no PEM": {
			spoil: func(_ *testing.T, files map[string][]byte) { files[caKeyFile] = []byte("secret") }, want: "ca-key.pem: is no key in PEM form",
		},
		"the key of another": {
			spoil: func(t *testing.T, files map[string][]byte) { files[caKeyFile] = testca.Root(t).KeyPEM(t) },
			want:  "ca-key.pem: cannot be read or does not belong to ca-cert.pem",
		},
		"a key among the certificates": {
			spoil: func(_ *testing.T, files map[string][]byte) {
				files[chainFile] = append(files[chainFile], files[caKeyFile]...)
			},
			want: `cert-chain.pem: holds a PEM block "PRIVATE KEY"`,
		},
		"text behind the roots": {
			spoil: func(_ *testing.T, files map[string][]byte) {
				files[rootsFile] = append(files[rootsFile], "and so on"...)
			},
			want: "root-cert.pem: holds something that is no certificate",
		},
		"a damaged certificate": {
			spoil: func(_ *testing.T, files map[string][]byte) {
				files[rootsFile] = []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
			},
			want: "root-cert.pem: x509",
		},
		"a leaf in place of the CA": {
			ca: func(t *testing.T) *testca.Signer { return testca.Root(t).Leaf(t, gateway) }, want: "is not a CA certificate",
		},
		"a CA that may not sign": {
			ca: func(t *testing.T) *testca.Signer {
				return testca.Root(t).Intermediate(t, func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageCRLSign })
			},
			want: "is not a CA certificate",
		},
		"a leaf among the roots": {
			spoil: func(t *testing.T, files map[string][]byte) {
				files[rootsFile] = append(files[rootsFile], testca.Root(t).Leaf(t, gateway).CertPEM()...)
			},
			want: "root-cert.pem:  is not a CA certificate",
		},
		"a CA that has expired": {
			ca: func(t *testing.T) *testca.Signer {
				return testca.Root(t).Intermediate(t, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) })
			},
			want: "ca-cert.pem: CN=intermediate expired on",
		},
		"a CA of tomorrow": {
			ca: func(t *testing.T) *testca.Signer {
				return testca.Root(t).Intermediate(t, func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Hour) })
			},
			want: "ca-cert.pem: CN=intermediate is valid from",
		},
		"a root that has expired": {
			ca: func(t *testing.T) *testca.Signer {
				return testca.Root(t, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }).Intermediate(t)
			},
			want: "does not lead over cert-chain.pem to root-cert.pem",
		},
		"the root of another mesh": {
			spoil: func(t *testing.T, files map[string][]byte) { files[rootsFile] = testca.Root(t).CertPEM() },
			want:  "does not lead over cert-chain.pem to root-cert.pem",
		},
		"a chain with a gap": {
			ca:    func(t *testing.T) *testca.Signer { return testca.Root(t).Intermediate(t).Intermediate(t) },
			spoil: func(_ *testing.T, files map[string][]byte) { files[chainFile] = files[caCertFile] },
			want:  "does not lead over cert-chain.pem to root-cert.pem",
		},
		"a file beyond all measure": {
			spoil: func(_ *testing.T, files map[string][]byte) { files[rootsFile] = bytes.Repeat([]byte("\n"), maxFile+1) },
			want:  "root-cert.pem: is larger than",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ca := tc.ca
			if ca == nil {
				ca = func(t *testing.T) *testca.Signer { return testca.Root(t).Intermediate(t) }
			}
			files := ca(t).Files(t)
			if tc.spoil != nil {
				tc.spoil(t, files)
			}
			dir := t.TempDir()
			testca.Write(t, dir, files)
			_, err := Open(Options{Dir: dir, TrustDomain: testca.TrustDomain})
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
			if err != nil && strings.Contains(err.Error(), "secret") {
				t.Errorf("the error quotes the key: %v", err)
			}
		})
	}
}

func TestOpenTakesExpiredRootsBesideValidOnes(t *testing.T) {
	t.Parallel()
	old := testca.Root(t, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) })
	root := testca.Root(t)
	a, _ := open(t, root.Intermediate(t), old, root)
	if got := len(certificates(t, a.Roots())); got != 2 {
		t.Errorf("%d roots, want both", got)
	}
}

func TestOpenOfNoFolder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(Options{Dir: dir}); err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("got %v", err)
	}
}
