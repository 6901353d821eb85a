package kubeconfig

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/eastwest-mesh/eastwest/internal/problem"
)

// Load reads the kubeconfig that ref names.
func Load(ref Ref, policy Policy) (*Cluster, error) {
	home, _ := os.UserHomeDir() //nolint:errcheck // without a home ~/ stays as it is
	path := expandHome(ref.Path, home)
	all := newEntries()
	if err := all.addFile(path); err != nil {
		return nil, fileProblem(err, path)
	}
	return all.cluster(ref.Context, path, policy)
}

// Parse reads a kubeconfig from memory. context may be empty.
func Parse(data []byte, context string, policy Policy) (*Cluster, error) {
	config, err := decode(data)
	if err != nil {
		return nil, err
	}
	all := newEntries()
	if err := all.add(config, "", ""); err != nil {
		return nil, err
	}
	return all.cluster(context, "", policy)
}

// DefaultPaths are the files kubectl reads: those of KUBECONFIG in order, each
// once, else the one in the home directory.
func DefaultPaths(getenv func(string) string, home string) []string {
	var paths []string
	for _, path := range filepath.SplitList(getenv("KUBECONFIG")) {
		if path != "" && !slices.Contains(paths, path) {
			paths = append(paths, path)
		}
	}
	if len(paths) == 0 && home != "" {
		paths = []string{filepath.Join(home, ".kube", "config")}
	}
	return paths
}

// LoadDefault merges the files at paths as kubectl does, leaving out missing
// ones, and returns one cluster per context in the order given; without
// contexts the current one. The error joins the problems of all contexts.
func LoadDefault(paths, contexts []string, policy Policy) ([]*Cluster, error) {
	all := newEntries()
	read := 0
	for _, path := range paths {
		err := all.addFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fileProblem(err, path)
		}
		read++
	}
	if read == 0 {
		return nil, reject(CodeInvalid, "no kubeconfig found; looked for: %s", listed(paths)).
			WithFix("give --kubeconfig [NAME=]PATH[#CONTEXT] or set KUBECONFIG")
	}
	if len(contexts) == 0 {
		contexts = []string{""}
	}
	clusters := make([]*Cluster, 0, len(contexts))
	var failed []error
	for _, context := range contexts {
		cluster, err := all.cluster(context, "", policy)
		if err != nil {
			failed = append(failed, err)
			continue
		}
		clusters = append(clusters, cluster)
	}
	if len(failed) > 0 {
		return nil, errors.Join(failed...)
	}
	return clusters, nil
}

// addFile reads one file into e.
func (e *entries) addFile(path string) error {
	data, err := readRegular(path)
	if err != nil {
		return err
	}
	config, err := decode(data)
	if err != nil {
		return err
	}
	dir, err := filepath.Abs(filepath.Dir(path))
	if err != nil {
		return err
	}
	return e.add(config, path, dir)
}

// fileProblem says of a whole file why it was rejected.
func fileProblem(err error, path string) error {
	var p *problem.Error
	if errors.As(err, &p) {
		return located(err, shown(path))
	}
	return reject(CodeInvalid, "kubeconfig %s %v", shown(path), err)
}

// cluster resolves one context. origin is named in errors where the context
// does not know its own file.
func (e *entries) cluster(asked, origin string, policy Policy) (*Cluster, error) {
	name, err := e.selectContext(asked)
	if err != nil {
		if origin != "" {
			origin = shown(origin)
		}
		return nil, located(err, origin)
	}
	context := e.contexts[name]
	object := "context " + shown(name)
	if context.origin != "" {
		object += " of " + shown(context.origin)
	}
	if ns := context.Namespace; ns != "" && len(validation.IsDNS1123Label(ns)) > 0 {
		return nil, located(reject(CodeInvalid, "the namespace of the context is not a DNS label"), object)
	}
	cluster, user, err := e.follow(name)
	if err != nil {
		return nil, located(err, object)
	}
	r := resolver{policy: policy, now: time.Now()}
	resolved, err := r.resolve(cluster, user)
	if err != nil {
		return nil, located(err, object)
	}
	resolved.Context, resolved.Namespace, resolved.Origin = name, context.Namespace, context.origin
	return resolved, nil
}
