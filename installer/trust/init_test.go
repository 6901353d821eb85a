package trust

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/eastwest-mesh/eastwest/internal/problem"
)

func TestInitWritesAllFilesForTheirOwnerOnly(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "deep", "ca")
	result, err := Init(dir, "mesh-1", []string{"west", "east"}, Options{TrustDomain: "td.example"})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"", "/east", "/east/ca-cert.pem", "/east/ca-key.pem", "/east/cert-chain.pem", "/east/root-cert.pem",
		"/root-cert.pem", "/root-key.pem",
		"/west", "/west/ca-cert.pem", "/west/ca-key.pem", "/west/cert-chain.pem", "/west/root-cert.pem",
	}
	files := tree(t, dir)
	if !slices.Equal(names(files), want) {
		t.Errorf("files %v", names(files))
	}
	for name, content := range files {
		mode := "-rw------- "
		if name == "" || name == "/east" || name == "/west" {
			mode = "drwx------"
		}
		if !strings.HasPrefix(content, mode) {
			t.Errorf("%s has mode %s", name, content[:10])
		}
	}
	if !result.NewRoot || !slices.Equal(result.NewClusters, []string{"east", "west"}) || result.Kept != "" {
		t.Errorf("result %+v", result)
	}
	loaded, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(loaded.Warnings) != 0 || len(loaded.Intermediates) != 2 || !bytes.Equal(loaded.RootKey, result.Material.RootKey) {
		t.Errorf("loaded %v", loaded)
	}
}

func TestInitIssuesWhatIstiodTakes(t *testing.T) {
	t.Parallel()
	for name, options := range map[string]Options{
		"by default":       {},
		"RSA":              {KeyType: RSA},
		"short":            {Validity: 48 * time.Hour, IntermediateValidity: 96 * time.Hour},
		"a trust domain":   {TrustDomain: "td.example"},
		"one's identities": {Within: "td.example"},
		"own lifetimes":    {Validity: 5 * year, IntermediateValidity: year},
		"the exact clock":  {Now: time.Now().Add(-time.Minute)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			material := madeWith(t, "mesh-1", options, "east")
			in := material.Intermediates["east"]
			roots, err := parseCertificates(material.Root)
			if err != nil {
				t.Fatal(err)
			}
			cert, err := signer(in.Cert, in.Key)
			if err != nil {
				t.Fatal(err)
			}
			if err := verifyChain(cert, nil, roots, time.Now()); err != nil {
				t.Error(err)
			}
			if !roots[0].IsCA || !cert.IsCA || cert.MaxPathLen != 0 || !cert.MaxPathLenZero || cert.NotAfter.After(roots[0].NotAfter) {
				t.Errorf("root %+v, intermediate %+v", describe(roots[0]), describe(cert))
			}
			if !slices.Equal(cert.Subject.Organization, []string{"mesh-1"}) || !slices.Equal(cert.Subject.Locality, []string{"east"}) {
				t.Errorf("subject %s", cert.Subject)
			}
			_, isRSA := cert.PublicKey.(*rsa.PublicKey)
			_, isEC := cert.PublicKey.(*ecdsa.PublicKey)
			if isRSA != (options.KeyType == RSA) || isEC == isRSA {
				t.Errorf("key is a %T", cert.PublicKey)
			}
			if td := options.TrustDomain; td != "" && cert.URIs[0].String() != "spiffe://"+td {
				t.Errorf("URIs %v", cert.URIs)
			}
			if within := options.Within; within != "" && !(cert.PermittedDNSDomainsCritical && slices.Equal(cert.PermittedURIDomains, []string{within})) {
				t.Errorf("may sign for %v", cert.PermittedURIDomains)
			}
			if cert.SerialNumber.Cmp(roots[0].SerialNumber) == 0 {
				t.Error("one serial number twice")
			}
		})
	}
}

// TestWorkloadsOfTwoMembersVerifyEachOther is what all of this is for.
func TestWorkloadsOfTwoMembersVerifyEachOther(t *testing.T) {
	t.Parallel()
	material := made(t, "mesh-1", "east", "west")
	for from, to := range map[string]string{"east": "west", "west": "east"} {
		ours, theirs := material.Intermediates[from], material.Intermediates[to]
		ca, err := parseAuthority(ours.Cert, ours.Key)
		if err != nil {
			t.Fatal(err)
		}
		key, err := newKey(ECDSA)
		if err != nil {
			t.Fatal(err)
		}
		leaf, err := sign(&x509.Certificate{
			NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageDigitalSignature,
		}, ca, key.Public())
		if err != nil {
			t.Fatal(err)
		}
		roots, _ := parseCertificates(theirs.Root)
		chain, _ := parseCertificates(ours.Chain)
		if err := verifyChain(leaf, chain, roots, time.Now()); err != nil {
			t.Errorf("%s to %s: %v", from, to, err)
		}
	}
}

func TestInitAddsWhatIsMissing(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "ca")
	if _, err := Init(dir, "m", []string{"east"}, Options{}); err != nil {
		t.Fatal(err)
	}
	before := tree(t, dir)
	again, err := Init(dir, "m", []string{"east"}, Options{})
	if err != nil || again.NewRoot || len(again.NewClusters) != 0 {
		t.Fatalf("second run: %+v, %v", again, err)
	}
	if after := tree(t, dir); !equalTrees(before, after) {
		t.Error("a second run changed files")
	}
	third, err := Init(dir, "m", []string{"north", "east", "west"}, Options{})
	if err != nil || third.NewRoot || !slices.Equal(third.NewClusters, []string{"north", "west"}) {
		t.Fatalf("third run: %+v, %v", third, err)
	}
	after := tree(t, dir)
	for name, content := range before {
		if after[name] != content {
			t.Errorf("%s changed", name)
		}
	}
	if _, err := Load(dir); err != nil {
		t.Error(err)
	}
	// The root's key may be kept elsewhere as long as nothing is to be signed.
	if err := os.Remove(filepath.Join(dir, rootKeyFile)); err != nil {
		t.Fatal(err)
	}
	if _, err := Init(dir, "m", []string{"east", "west"}, Options{}); err != nil {
		t.Error(err)
	}
	_, err = Init(dir, "m", []string{"south"}, Options{})
	wantProblem(t, err, problem.Input, CodeMaterial, "root's key")
	_, err = Init(dir, "other-mesh", []string{"east"}, Options{})
	wantProblem(t, err, problem.Input, CodePath, "not of \"other-mesh\"")
}

func TestForceKeepsWhatItReplaces(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "ca")
	first, err := Init(dir, "m", []string{"east", "west"}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	before := tree(t, dir)
	forced, err := Init(dir, "m", []string{"east"}, Options{Force: true})
	if err != nil {
		t.Fatal(err)
	}
	if !forced.NewRoot || !slices.Equal(forced.NewClusters, []string{"east", "west"}) || bytes.Equal(forced.Material.Root, first.Material.Root) {
		t.Errorf("result %+v", forced)
	}
	kept := tree(t, filepath.Join(dir, forced.Kept))
	if !equalTrees(before, kept) {
		t.Errorf("kept %v, want %v", names(kept), names(before))
	}
	if _, err := Load(dir); err != nil {
		t.Error(err)
	}
	if result, err := Init(dir+"2", "m", []string{"a"}, Options{Force: true}); err != nil || result.Kept != "" {
		t.Errorf("force where nothing is: %+v, %v", result, err)
	}
}

func equalTrees(a, b map[string]string) bool {
	if !slices.Equal(names(a), names(b)) {
		return false
	}
	for name := range a {
		if a[name] != b[name] {
			return false
		}
	}
	return true
}

func TestInitRejectsInput(t *testing.T) {
	t.Parallel()
	one := []string{"east"}
	for name, tc := range map[string]struct {
		mesh     string
		clusters []string
		options  Options
		text     string
	}{
		"no mesh ID":           {"", one, Options{}, "mesh ID"},
		"a mesh ID of 64":      {strings.Repeat("m", 64), one, Options{}, "mesh ID"},
		"a mesh ID with a /":   {"a/b", one, Options{}, "mesh ID"},
		"no cluster":           {"m", nil, Options{}, "no cluster"},
		"a name with ..":       {"m", []string{".."}, Options{}, `"." at position 1`},
		"an upper-case name":   {"m", []string{"East"}, Options{}, "DNS label"},
		"one name twice":       {"m", []string{"a", "b", "a"}, Options{}, "named twice"},
		"a validity of zero":   {"m", one, Options{Validity: -1}, "validity"},
		"a validity of ever":   {"m", one, Options{Validity: 100 * year}, "validity"},
		"an unknown key type":  {"m", one, Options{KeyType: "dsa"}, "ecdsa-p256"},
		"a bad trust domain":   {"m", one, Options{TrustDomain: "a b"}, "trust domain"},
		"an intermediate of 1": {"m", one, Options{IntermediateValidity: 1}, "validity"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "ca")
			_, err := Init(dir, tc.mesh, tc.clusters, tc.options)
			wantProblem(t, err, problem.Input, "", tc.text)
			if _, err := os.Lstat(dir); err == nil {
				t.Error("the folder was made all the same")
			}
		})
	}
}

func TestConcurrentRunsDoNotMix(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "ca")
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			_, err := Init(dir, "m", []string{"east", "west"}, Options{})
			if err != nil && problem.ExitCode(err) != problem.ExitInput {
				t.Errorf("unexpected: %v", err)
			}
		})
	}
	wait.Wait()
	if _, err := Load(dir); err != nil {
		t.Error(err)
	}
}
