package trust

import (
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/eastwest-mesh/eastwest/internal/identity"
	"github.com/eastwest-mesh/eastwest/internal/problem"
)

const (
	year            = 365 * 24 * time.Hour
	defaultValidity = 10 * year
	minValidity     = time.Hour
	maxValidity     = 50 * year
)

// Options are how new CA material is made. The zero value is complete.
type Options struct {
	// Validity of a new root; ten years if zero, as in Istio's own example.
	Validity time.Duration
	// IntermediateValidity of new intermediates; that of the root if zero, since
	// nothing renews them by itself. None outlives its root.
	IntermediateValidity time.Duration
	// KeyType of all new keys; ECDSA if empty.
	KeyType KeyType
	// TrustDomain, if set, becomes the SPIFFE ID of the certificates.
	TrustDomain string
	// Within, if set, is the one trust domain of whose identities the intermediates may
	// sign certificates: a name constraint (RFC 5280, 4.2.1.10), which knows hosts of
	// URIs and no paths, so that it does not tell members of one mesh apart.
	Within string
	// Force makes everything anew where there is material already, which is kept
	// beside in a folder of its own.
	Force bool
	// Now is the present; that of the clock if zero.
	Now time.Time
}

// Made is what Init did.
type Made struct {
	Material *Material
	// NewRoot is true where the root was made in this run.
	NewRoot bool
	// NewClusters got their intermediate in this run, sorted.
	NewClusters []string
	// Kept is the folder that holds what Force replaced, or empty.
	Kept string
}

// Init makes the root of a mesh and one intermediate for each cluster in dir, or
// only the intermediates that are missing where the root is there already. On
// failure dir is as it was before.
func Init(dir, mesh string, clusters []string, options Options) (*Made, error) {
	options, err := options.complete()
	if err != nil {
		return nil, err
	}
	if err := checkNames(mesh, clusters); err != nil {
		return nil, err
	}
	folder, err := openOrMake(dir)
	if err != nil {
		return nil, err
	}
	defer folder.close()
	made, err := folder.init(mesh, clusters, options)
	if err != nil {
		folder.unmake()
		return nil, err
	}
	return made, nil
}

// complete fills in what is not set and rejects what cannot be.
func (o Options) complete() (Options, error) {
	if o.Validity == 0 {
		o.Validity = defaultValidity
	}
	if o.IntermediateValidity == 0 {
		o.IntermediateValidity = o.Validity
	}
	if o.KeyType == "" {
		o.KeyType = ECDSA
	}
	if o.Now.IsZero() {
		o.Now = time.Now()
	}
	for _, validity := range []time.Duration{o.Validity, o.IntermediateValidity} {
		if validity < minValidity || validity > maxValidity {
			return o, problem.New(problem.Input, "", "validity %v is not between %v and 50 years", validity, minValidity)
		}
	}
	if o.KeyType != ECDSA && o.KeyType != RSA {
		return o, problem.New(problem.Input, "", "key type %q is neither %s nor %s", o.KeyType, ECDSA, RSA)
	}
	if o.TrustDomain != "" && len(validation.IsDNS1123Subdomain(o.TrustDomain)) > 0 {
		return o, problem.New(problem.Input, "", "trust domain %q is not a DNS name", o.TrustDomain)
	}
	return o, nil
}

// checkNames requires a mesh ID that fits a certificate and a label, and member
// names that fit a folder.
func checkNames(mesh string, clusters []string) error {
	if mesh == "" || len(validation.IsValidLabelValue(mesh)) > 0 {
		return problem.New(problem.Input, "", "mesh ID %q is not a label value of 1 to 63 characters", mesh)
	}
	if len(clusters) == 0 {
		return problem.New(problem.Input, "", "no cluster to make a CA for")
	}
	for i, name := range clusters {
		if err := identity.CheckName(name); err != nil {
			return err
		}
		if slices.Contains(clusters[:i], name) {
			return problem.New(problem.Input, "", "cluster %q is named twice", name)
		}
	}
	return nil
}

// init decides what is missing, makes it in memory and writes it.
func (f *folder) init(mesh string, clusters []string, options Options) (*Made, error) {
	if options.Force {
		return f.makeAll(mesh, clusters, options)
	}
	old, err := f.load(options.Now)
	if err != nil {
		return nil, err
	}
	if old == nil {
		return f.makeAll(mesh, clusters, options)
	}
	if err := old.belongsTo(mesh, f.path); err != nil {
		return nil, err
	}
	return f.makeMissing(mesh, clusters, old, options)
}

// makeAll makes a root and all intermediates, those of old folders included,
// because the new root makes theirs useless.
func (f *folder) makeAll(mesh string, clusters []string, options Options) (*Made, error) {
	there, err := f.clusters()
	if err != nil {
		return nil, err
	}
	clusters = slices.Compact(slices.Sorted(slices.Values(slices.Concat(clusters, there))))
	root, err := options.issueRoot(mesh)
	if err != nil {
		return nil, err
	}
	key, err := encodeKey(root.key)
	if err != nil {
		return nil, err
	}
	material := &Material{Root: encodeCertificates(root.cert), RootKey: key, Intermediates: map[string]Intermediate{}}
	if err := material.issue(mesh, clusters, root, options); err != nil {
		return nil, err
	}
	files := material.files(clusters)
	files[rootCertKey], files[rootKeyFile] = material.Root, material.RootKey
	kept := ""
	if options.Force {
		kept, err = f.replace(files, options.Now)
	} else {
		err = f.add(files)
	}
	if err != nil {
		return nil, err
	}
	material.Warnings = f.loose(".")
	return &Made{Material: material, NewRoot: true, NewClusters: clusters, Kept: kept}, nil
}

// makeMissing makes the intermediates that are not there yet.
func (f *folder) makeMissing(mesh string, clusters []string, material *Material, options Options) (*Made, error) {
	var missing []string
	for _, name := range clusters {
		if _, found := material.Intermediates[name]; !found {
			missing = append(missing, name)
		}
	}
	slices.Sort(missing)
	made := &Made{Material: material, NewClusters: missing}
	if len(missing) == 0 {
		return made, nil
	}
	if len(material.RootKey) == 0 {
		return nil, problem.New(problem.Input, CodeMaterial, "%s has no %s to sign for %v with", f.path, rootKeyFile, missing).
			WithFix("put the root's key there for this run, or make these intermediates with your own CA")
	}
	root, err := parseAuthority(material.Root, material.RootKey)
	if err != nil {
		return nil, invalid(f.path, rootCertKey, err)
	}
	if err := material.issue(mesh, missing, root, options); err != nil {
		return nil, err
	}
	return made, f.add(material.files(missing))
}

// issue adds an intermediate for each cluster.
func (m *Material) issue(mesh string, clusters []string, root authority, options Options) error {
	for _, name := range clusters {
		issued, err := options.issueIntermediate(mesh, name, root)
		if err != nil {
			return err
		}
		if m.Intermediates[name], err = newIntermediate(name, issued, m.Root, root.cert); err != nil {
			return err
		}
	}
	return nil
}
