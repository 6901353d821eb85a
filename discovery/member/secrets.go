package member

import (
	"context"
	"sync"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"

	"github.com/eastwest-mesh/eastwest/api/v1alpha1"
	"github.com/eastwest-mesh/eastwest/internal/problem"
)

// selector finds the Secrets with records; the value is part of the contract with
// whoever writes them.
const selector = v1alpha1.LabelMember + "=true"

// Secrets is the source in a cluster: the labelled Secrets of one namespace of
// the agent's own cluster.
type Secrets struct {
	client    kubernetes.Interface
	namespace string
	synced    chan struct{}

	// mu guards the registry and what the reflector knows of Secrets.
	mu       sync.Mutex
	registry *registry
	bundles  map[string]bundle
}

// NewSecrets returns a source that watches the Secrets of a namespace.
func NewSecrets(client kubernetes.Interface, namespace string, options Options) *Secrets {
	return &Secrets{
		client: client, namespace: namespace, synced: make(chan struct{}),
		registry: newRegistry(options), bundles: map[string]bundle{},
	}
}

// Synced is closed once all Secrets have been read.
func (s *Secrets) Synced() <-chan struct{} { return s.synced }

// Run tells of members until ctx ends, which takes none of them away. While the
// cluster's own API cannot be reached nothing changes.
func (s *Secrets) Run(ctx context.Context) error {
	secrets := s.client.CoreV1().Secrets(s.namespace)
	source := &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
			options.LabelSelector = selector
			return secrets.List(ctx, options)
		},
		WatchFuncWithContext: func(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
			options.LabelSelector = selector
			return secrets.Watch(ctx, options)
		},
	}
	reflector := cache.NewReflectorWithOptions(cache.ToListWatcherWithWatchListSemantics(source, s.client), &corev1.Secret{}, &secretStore{s},
		cache.ReflectorOptions{Name: "members", TypeDescription: "Secret"})
	reflector.RunWithContext(ctx)
	return nil
}

func (s *Secrets) bundle(secret *corev1.Secret) bundle {
	return bundle{origin: "Secret " + secret.Namespace + "/" + secret.Name, files: secret.Data}
}

// ours reports whether a Secret is one to read, whatever the server sent.
func (s *Secrets) ours(secret *corev1.Secret) bool {
	return secret.Namespace == s.namespace && secret.Labels[v1alpha1.LabelMember] == "true"
}

// secretStore is where the reflector puts Secrets. Only their data is kept.
type secretStore struct{ *Secrets }

func (s *secretStore) Add(object any) error { return s.Update(object) }

func (s *secretStore) Update(object any) error {
	secret, ok := object.(*corev1.Secret)
	if !ok || !s.ours(secret) {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bundles[secret.Name] = s.bundle(secret)
	s.tellLocked()
	return nil
}

func (s *secretStore) Delete(object any) error {
	secret, ok := object.(*corev1.Secret)
	if !ok || !s.ours(secret) {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.bundles, secret.Name)
	s.tellLocked()
	return nil
}

func (s *secretStore) Replace(objects []any, _ string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.bundles)
	for _, object := range objects {
		if secret, ok := object.(*corev1.Secret); ok && s.ours(secret) {
			s.bundles[secret.Name] = s.bundle(secret)
		}
	}
	s.tellLocked()
	select {
	case <-s.synced:
	default:
		close(s.synced)
	}
	return nil
}

// Resync has nothing to do: an update carries everything.
func (s *secretStore) Resync() error { return nil }

func (s *Secrets) tellLocked() {
	all := make([]bundle, 0, len(s.bundles))
	for _, one := range s.bundles {
		all = append(all, one)
	}
	s.registry.update(sortBundles(all))
}

func unreadable(path string, cause error) error {
	return problem.New(problem.Input, ReasonUnreadable, "read the members").About(path).Because(cause)
}
