package trust

import (
	"errors"
	"os"
	"path"
	"path/filepath"
	"slices"
	"time"

	"github.com/eastwest-mesh/eastwest/internal/problem"
)

// Load reads the CA material in dir, made by Init or brought by the operator in
// the same form, and requires all that istiod will: every intermediate is a CA,
// has its key, leads to the root, and has not expired.
func Load(dir string) (*Material, error) { return loadAt(dir, time.Now()) }

func loadAt(dir string, now time.Time) (*Material, error) {
	dir = filepath.Clean(dir)
	info, err := os.Lstat(dir)
	if err != nil {
		return nil, problem.New(problem.Input, CodePath, "%q cannot be read", dir).Because(plain(err)).
			WithFix("make it with eastwest trust init")
	}
	f, err := open(dir, info)
	if err != nil {
		return nil, err
	}
	defer f.close()
	material, err := f.load(now)
	if err != nil {
		return nil, err
	}
	if material == nil {
		return nil, problem.New(problem.Input, CodeMaterial, "%q holds no CA material", dir).
			WithFix("make it with eastwest trust init")
	}
	return material, nil
}

// load reads and checks all material of f, or returns nil where there is none.
func (f *folder) load(now time.Time) (*Material, error) {
	names, err := f.clusters()
	if err != nil {
		return nil, err
	}
	if !f.has(rootCertKey) {
		if len(names) == 0 && !f.has(rootKeyFile) {
			return nil, nil
		}
		return nil, problem.New(problem.Input, CodeMaterial, "%q holds CA material without %s", f.path, rootCertKey).
			WithFix("add %s, or give --force to make everything anew and keep the old beside", rootCertKey)
	}
	material := &Material{Intermediates: map[string]Intermediate{}, Warnings: f.loose(".")}
	roots, err := f.loadRoot(material, now)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if err := f.loadIntermediate(material, name, roots, now); err != nil {
			return nil, err
		}
	}
	return material, nil
}

// loadRoot reads the roots and, if it is there, the key of the first one.
func (f *folder) loadRoot(material *Material, now time.Time) ([]Certificate, error) {
	data, err := f.read(rootCertKey)
	if err != nil {
		return nil, invalid(f.path, rootCertKey, err)
	}
	certs, err := parseCertificates(data)
	if err != nil {
		return nil, invalid(f.path, rootCertKey, err)
	}
	for _, cert := range certs {
		if !isCA(cert) {
			return nil, invalid(f.path, rootCertKey, errors.New("is not a CA certificate"))
		}
		warning, err := ends(cert, now)
		if err != nil {
			return nil, invalid(f.path, rootCertKey, err)
		}
		material.warn(warning)
	}
	material.Root = data
	if !f.has(rootKeyFile) {
		return describeSet(certs), nil
	}
	key, err := f.read(rootKeyFile)
	if err != nil {
		return nil, invalid(f.path, rootKeyFile, err)
	}
	if _, err := parseAuthority(data, key); err != nil {
		return nil, invalid(f.path, rootKeyFile, err)
	}
	material.RootKey = key
	material.Warnings = append(material.Warnings, f.loose(rootKeyFile)...)
	return describeSet(certs), nil
}

// loadIntermediate reads and checks the folder of one cluster.
func (f *folder) loadIntermediate(material *Material, name string, roots []Certificate, now time.Time) error {
	in := Intermediate{Cluster: name}
	var key []byte
	for file, into := range map[string]*[]byte{
		caCertKey: &in.Cert, caKeyKey: &key, rootCertKey: &in.Root, certChainKey: &in.Chain,
	} {
		data, err := f.read(path.Join(name, file))
		if err != nil {
			return invalid(f.path, path.Join(name, file), err)
		}
		*into = data
	}
	in.Key = key
	warning, err := in.check(roots, now)
	if err != nil {
		return invalid(f.path, name, err)
	}
	material.warn(warning)
	material.Intermediates[name] = in
	for _, file := range []string{".", caKeyKey} {
		material.Warnings = append(material.Warnings, f.loose(path.Join(name, file))...)
	}
	return nil
}

func (m *Material) warn(text string) {
	if text != "" {
		m.Warnings = append(m.Warnings, text)
	}
}

// belongsTo refuses to add to the material of another mesh. A root that was not
// made here says nothing of a mesh.
func (m *Material) belongsTo(mesh, dir string) error {
	certs, err := parseCertificates(m.Root)
	if err != nil {
		return invalid(dir, rootCertKey, err)
	}
	subject := certs[0].Subject
	if slices.Contains(subject.OrganizationalUnit, organizationalUnit) && !slices.Contains(subject.Organization, mesh) {
		return problem.New(problem.Input, CodePath, "%q holds the root of mesh %v, not of %q", dir, subject.Organization, mesh).
			WithFix("name another directory for this mesh")
	}
	return nil
}
