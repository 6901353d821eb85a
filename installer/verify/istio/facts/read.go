package facts

import (
	"context"
	"fmt"
	"slices"
	"sync"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"

	"github.com/eastwest-mesh/eastwest/api/v1alpha1"
	"github.com/eastwest-mesh/eastwest/internal/podexec"
)

// Exec runs a command in a container and returns what it printed.
type Exec func(ctx context.Context, target podexec.Target, command ...string) ([]byte, error)

// Reader reads one cluster.
type Reader struct {
	Kube    kubernetes.Interface
	Dynamic dynamic.Interface
	Exec    Exec
	// IstioNamespace is istiod's; Namespace is the one under verification.
	IstioNamespace, Namespace string
}

// Read reads all there is to know. What cannot be read is named in Unread and
// costs only the checks that need it.
func (r Reader) Read(ctx context.Context) Cluster {
	var c Cluster
	var mu sync.Mutex // guards c.Unread
	parts := map[string]func(context.Context, *Cluster) error{
		"the network of namespace " + r.IstioNamespace: r.readNetwork,
		"gateway Services":          r.readGateways,
		PartSecrets:                 r.readSecrets,
		PartIstiod:                  r.readIstiods,
		"mesh configuration":        r.readMeshes,
		"exposed services":          r.readExposures,
		"gateways declared by hand": r.readDeclared,
	}
	var all sync.WaitGroup
	read := func(what string, part func(context.Context, *Cluster) error) {
		all.Go(func() {
			if err := part(ctx, &c); err != nil {
				mu.Lock()
				defer mu.Unlock()
				c.Unread = append(c.Unread, fmt.Sprintf("%s: %v", what, err))
			}
		})
	}
	for what, part := range parts {
		read(what, part)
	}
	all.Wait()
	// Policies come last: where the root namespace is stands in the mesh
	// configuration.
	for what, part := range r.policies() {
		read(what, part)
	}
	all.Wait()
	slices.Sort(c.Unread)
	return c
}

func (r Reader) readNetwork(ctx context.Context, c *Cluster) error {
	ns, err := r.Kube.CoreV1().Namespaces().Get(ctx, r.IstioNamespace, metav1.GetOptions{})
	if err != nil {
		return err
	}
	c.Network = ns.Labels[NetworkLabel]
	return nil
}

// readGateways asks three narrow questions instead of listing every Service of
// the cluster: labelled ones, the guide's, and those beside istiod.
func (r Reader) readGateways(ctx context.Context, c *Cluster) error {
	found := map[string]corev1.Service{}
	for _, ask := range []struct{ namespace, selector string }{
		{metav1.NamespaceAll, NetworkLabel},
		{metav1.NamespaceAll, EastWestLabel + "=" + EastWestValue},
		{r.IstioNamespace, ""},
	} {
		list, err := r.Kube.CoreV1().Services(ask.namespace).List(ctx, metav1.ListOptions{LabelSelector: ask.selector})
		if err != nil {
			return err
		}
		for _, s := range list.Items {
			found[s.Namespace+"/"+s.Name] = s
		}
	}
	services := make([]corev1.Service, 0, len(found))
	pods := map[string][]corev1.Pod{}
	for key, s := range found {
		services = append(services, s)
		if len(gatewaysOf([]corev1.Service{s}, nil)) == 0 || len(s.Spec.Selector) == 0 {
			continue
		}
		list, err := r.Kube.CoreV1().Pods(s.Namespace).List(ctx, metav1.ListOptions{
			LabelSelector: labels.SelectorFromSet(s.Spec.Selector).String(),
		})
		if err != nil {
			return err
		}
		pods[key] = list.Items
	}
	c.Gateways = gatewaysOf(services, pods)
	return nil
}

func (r Reader) readSecrets(ctx context.Context, c *Cluster) error {
	list, err := r.Kube.CoreV1().Secrets(r.IstioNamespace).List(ctx, metav1.ListOptions{LabelSelector: RemoteLabel})
	if err != nil {
		return err
	}
	c.RemoteSecrets = remoteSecretsOf(list.Items)
	return r.throughAgents(ctx, c, list.Items)
}

// throughAgents looks behind the remote secrets that lead to the cluster's own
// agent: what counts is the credential that the agent holds.
func (r Reader) throughAgents(ctx context.Context, c *Cluster, secrets []corev1.Secret) error {
	for i := range c.RemoteSecrets {
		entry := &c.RemoteSecrets[i]
		producer := agentsProducer(secrets, entry)
		if producer == "" {
			continue
		}
		record, err := r.Kube.CoreV1().Secrets(v1alpha1.AgentNamespace).Get(ctx, v1alpha1.MemberSecret(producer), metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			entry.Object, entry.Invalid = Object{v1alpha1.AgentNamespace, v1alpha1.MemberSecret(producer)}, "the agent has no credential"
			continue
		}
		if err != nil {
			return err
		}
		*entry = RemoteSecret{Object: Object{record.Namespace, record.Name}, ClusterID: entry.ClusterID}
		entry.read(record.Data[producer+v1alpha1.KubeconfigSuffix])
	}
	return nil
}

// agentsProducer names the producer whose remote secret leads to the agent; empty
// where it leads to the producer itself.
func agentsProducer(secrets []corev1.Secret, entry *RemoteSecret) string {
	for _, secret := range secrets {
		if secret.Namespace == entry.Namespace && secret.Name == entry.Name && secret.Annotations[v1alpha1.AnnotationFacade] == "true" {
			return secret.Labels[v1alpha1.LabelProducer]
		}
	}
	return ""
}

func (r Reader) readMeshes(ctx context.Context, c *Cluster) error {
	list, err := r.Kube.CoreV1().ConfigMaps(r.IstioNamespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	c.Meshes = meshesOf(list.Items)
	return nil
}

// readIstiods asks every replica for its own view: they differ silently.
func (r Reader) readIstiods(ctx context.Context, c *Cluster) error {
	list, err := r.Kube.CoreV1().Pods(r.IstioNamespace).List(ctx, metav1.ListOptions{LabelSelector: "app=istiod"})
	if err != nil {
		return err
	}
	c.Istiods = make([]Istiod, len(list.Items))
	var all sync.WaitGroup
	for i, pod := range list.Items {
		all.Go(func() {
			one := Istiod{Pod: pod.Name, Revision: pod.Labels[RevisionLabel], Ready: podReady(pod)}
			target := podexec.Target{Namespace: pod.Namespace, Pod: pod.Name, Container: "discovery"}
			data, err := r.Exec(ctx, target, "pilot-discovery", "request", "GET", "/debug/clusterz")
			if err == nil {
				one.Sync, _ = syncOf(data)
			}
			c.Istiods[i] = one
		})
	}
	all.Wait()
	return nil
}
