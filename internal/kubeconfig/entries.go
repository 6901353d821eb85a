package kubeconfig

import (
	"maps"
	"slices"

	clientcmdv1 "k8s.io/client-go/tools/clientcmd/api/v1"

	"github.com/eastwest-mesh/eastwest/internal/problem"
)

// located entries remember the folder of their file, against which their
// relative paths are resolved.
type (
	clusterEntry struct {
		clientcmdv1.Cluster
		dir string
	}
	userEntry struct {
		clientcmdv1.AuthInfo
		dir string
	}
	contextEntry struct {
		clientcmdv1.Context
		origin string
	}
)

// entries are the clusters, users and contexts of one kubeconfig, or of several
// merged ones.
type entries struct {
	clusters map[string]clusterEntry
	users    map[string]userEntry
	contexts map[string]contextEntry
	current  string
}

func newEntries() *entries {
	return &entries{
		clusters: map[string]clusterEntry{},
		users:    map[string]userEntry{},
		contexts: map[string]contextEntry{},
	}
}

// add merges a further file the way kubectl does: of two entries with one name,
// and of two current contexts, the one of the earlier file counts. Within one
// file a name must be unique.
func (e *entries) add(config *clientcmdv1.Config, origin, dir string) error {
	fresh := newEntries()
	for _, c := range config.Clusters {
		if _, dup := fresh.clusters[c.Name]; dup {
			return duplicate("cluster", c.Name)
		}
		fresh.clusters[c.Name] = clusterEntry{c.Cluster, dir}
	}
	for _, u := range config.AuthInfos {
		if _, dup := fresh.users[u.Name]; dup {
			return duplicate("user", u.Name)
		}
		fresh.users[u.Name] = userEntry{u.AuthInfo, dir}
	}
	for _, c := range config.Contexts {
		if _, dup := fresh.contexts[c.Name]; dup {
			return duplicate("context", c.Name)
		}
		fresh.contexts[c.Name] = contextEntry{c.Context, origin}
	}
	keepFirst(e.clusters, fresh.clusters)
	keepFirst(e.users, fresh.users)
	keepFirst(e.contexts, fresh.contexts)
	if e.current == "" {
		e.current = config.CurrentContext
	}
	return nil
}

func keepFirst[V any](into, from map[string]V) {
	for name, value := range from {
		if _, taken := into[name]; !taken {
			into[name] = value
		}
	}
}

func duplicate(kind, name string) error {
	return reject(CodeInvalid, "two entries for %s %s", kind, shown(name))
}

// selectContext returns the name of the context to use: the asked one, the
// current one, or the only one. Several without a current one are never guessed
// at: kubectl would connect to localhost and istiod takes the first by name.
func (e *entries) selectContext(asked string) (string, error) {
	names := slices.Collect(maps.Keys(e.contexts))
	name := asked
	if name == "" {
		name = e.current
	}
	switch {
	case len(names) == 0:
		return "", reject(CodeInvalid, "kubeconfig has no contexts")
	case name == "" && len(names) == 1:
		return names[0], nil
	case name == "":
		return "", reject(CodeAmbiguous, "kubeconfig has no current-context and %d contexts: %s", len(names), listed(names)).
			WithFix("name the context: PATH#CONTEXT or --context")
	}
	if _, found := e.contexts[name]; !found {
		return "", e.missingContext(name, asked != "", names)
	}
	return name, nil
}

func (e *entries) missingContext(name string, asked bool, names []string) *problem.Error {
	what := "current-context"
	if asked {
		what = "context"
	}
	return reject(CodeInvalid, "%s %s does not exist; there are: %s", what, shown(name), listed(names)).
		WithFix("name one of these contexts")
}

// follow returns the cluster and the user that a context points to.
func (e *entries) follow(name string) (clusterEntry, userEntry, error) {
	context := e.contexts[name]
	cluster, found := e.clusters[context.Cluster]
	if !found {
		return clusterEntry{}, userEntry{}, dangling("cluster", context.Cluster)
	}
	user, found := e.users[context.AuthInfo]
	if !found {
		return clusterEntry{}, userEntry{}, dangling("user", context.AuthInfo)
	}
	return cluster, user, nil
}

func dangling(kind, name string) error {
	if name == "" {
		return reject(CodeInvalid, "the context names no %s", kind)
	}
	return reject(CodeInvalid, "the context points to %s %s, which does not exist", kind, shown(name))
}
