package trust

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/eastwest-mesh/eastwest/internal/problem"
)

func TestLoadRejects(t *testing.T) {
	t.Parallel()
	other := made(t, "other", "east")
	foreign := other.Intermediates["east"]
	for name, tc := range map[string]struct {
		file string
		data []byte
		text string
	}{
		"a foreign intermediate":     {"east/ca-cert.pem", foreign.Cert, "does not belong to the certificate"},
		"a foreign key":              {"east/ca-key.pem", foreign.Key, "does not belong to the certificate"},
		"a foreign root of one":      {"east/root-cert.pem", foreign.Root, "is not the root of this mesh"},
		"a foreign root key":         {"root-key.pem", other.RootKey, "does not belong to the certificate"},
		"a foreign root":             {"root-cert.pem", other.Root, "does not belong to the certificate"},
		"garbage for a certificate":  {"east/ca-cert.pem", []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), "certificate 1"},
		"garbage for a key":          {"east/ca-key.pem", []byte("hush"), "no PEM key"},
		"an empty chain":             {"east/cert-chain.pem", nil, "no certificate"},
		"a missing key":              {"east/ca-key.pem", []byte("-"), "no PEM key"},
		"a file of two mebibytes":    {"east/cert-chain.pem", make([]byte, 2<<20), "no regular file"},
		"no certificate in the root": {"root-cert.pem", []byte("x"), "no certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "ca")
			if _, err := Init(dir, "m", []string{"east"}, Options{}); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, tc.file), tc.data, 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := Load(dir)
			wantProblem(t, err, problem.Input, CodeMaterial, tc.text)
			if !strings.Contains(err.Error(), dir) || strings.Contains(err.Error(), "hush") {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestLoadWhereNothingIs(t *testing.T) {
	t.Parallel()
	_, err := Load(t.TempDir())
	wantProblem(t, err, problem.Input, CodeMaterial, "eastwest trust init")
	_, err = Load(filepath.Join(t.TempDir(), "none"))
	wantProblem(t, err, problem.Input, CodePath, "eastwest trust init")
}

func TestLoadWatchesTheEnd(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "ca")
	if _, err := Init(dir, "m", []string{"east"}, Options{IntermediateValidity: year}); err != nil {
		t.Fatal(err)
	}
	soon, err := loadAt(dir, time.Now().Add(year-24*time.Hour))
	if err != nil || len(soon.Warnings) != 1 || !strings.Contains(soon.Warnings[0], "expires on") {
		t.Errorf("the day before: %v, %v", soon.Warnings, err)
	}
	_, err = loadAt(dir, time.Now().Add(year+24*time.Hour))
	wantProblem(t, err, problem.Input, CodeMaterial, "expired on")
	_, err = loadAt(dir, time.Now().Add(11*year))
	wantProblem(t, err, problem.Input, CodeMaterial, "expired on")
}

func TestLoadWarnsOfLooseModes(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "ca")
	if _, err := Init(dir, "m", []string{"east"}, Options{}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"root-key.pem", "east/ca-key.pem", "root-cert.pem"} {
		if err := os.Chmod(filepath.Join(dir, name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	loaded, err := Load(dir)
	if err != nil || len(loaded.Warnings) != 2 {
		t.Fatalf("one warning for each key: %v, %v", loaded, err)
	}
}

// TestOwnCA: material of another maker, with a longer chain and no root key.
func TestOwnCA(t *testing.T) {
	t.Parallel()
	options, err := Options{}.complete()
	if err != nil {
		t.Fatal(err)
	}
	root, err := options.issueRoot("corp")
	if err != nil {
		t.Fatal(err)
	}
	middle, err := options.issueRoot("corp")
	if err != nil {
		t.Fatal(err)
	}
	if middle.cert, err = sign(options.template("corp", "policy CA", year), root, middle.key.Public()); err != nil {
		t.Fatal(err)
	}
	issued, err := options.issueIntermediate("corp", "east", middle)
	if err != nil {
		t.Fatal(err)
	}
	in, err := newIntermediate("east", issued, encodeCertificates(root.cert), middle.cert)
	if err != nil {
		t.Fatal(err)
	}
	material := &Material{Root: in.Root, Intermediates: map[string]Intermediate{"east": in}}
	dir := t.TempDir()
	for name, data := range material.files([]string{"east"}) {
		if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, rootCertKey), in.Root, 0o600); err != nil {
		t.Fatal(err)
	}
	loaded, err := Load(dir)
	if err != nil || len(loaded.RootKey) != 0 {
		t.Fatalf("loaded %v, %v", loaded, err)
	}
	if state := Read(plugged(loaded.Intermediates["east"])); state.Kind != PluggedIn || len(state.Chain) != 2 {
		t.Errorf("state %+v", state)
	}
}

// TestKeysAreNeverPrinted: whatever a caller does with material.
func TestKeysAreNeverPrinted(t *testing.T) {
	t.Parallel()
	material := made(t, "m", "east")
	data, err := json.Marshal(material)
	if err != nil {
		t.Fatal(err)
	}
	secret := strings.Split(string(material.RootKey), "\n")[1]
	for _, text := range []string{
		fmt.Sprint(material), fmt.Sprintf("%v %+v %#v %s %x", *material, *material, *material, material.RootKey, material.RootKey), string(data),
		fmt.Sprintf("%v", material.Intermediates["east"]),
	} {
		if strings.Contains(text, secret) || strings.Contains(text, "PRIVATE KEY") || strings.Contains(text, fmt.Sprintf("%x", secret)) {
			t.Errorf("a key is in %s", text)
		}
	}
}
