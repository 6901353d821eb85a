//go:build e2e

package agentfaults

import (
	"context"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/yaml"

	"github.com/eastwest-mesh/eastwest/internal/testapi"
	"github.com/eastwest-mesh/eastwest/lab/e2e/internal/rig"
	"github.com/eastwest-mesh/eastwest/manifests"
)

// agentNamespace is where an agent and what it needs are.
const agentNamespace = "eastwest-system"

// patience bounds what takes seconds on an idle machine.
const patience = 90 * time.Second

// cluster is a member: an API server, its store, and nothing else.
type cluster struct {
	*testapi.Server
	name    string
	kube    kubernetes.Interface
	dynamic dynamic.Interface
}

func newCluster(ctx context.Context, name string) (*cluster, error) {
	server, err := testapi.New(ctx)
	if err != nil {
		return nil, err
	}
	c := &cluster{Server: server, name: name}
	if c.kube, err = kubernetes.NewForConfig(server.Config()); err != nil {
		return c, err
	}
	if c.dynamic, err = dynamic.NewForConfig(server.Config()); err != nil {
		return c, err
	}
	return c, c.prepare(ctx)
}

// prepare makes what the charts of the agent make, as far as an API server alone has
// a use for it.
func (c *cluster) prepare(ctx context.Context) error {
	if err := c.makeNamespace(ctx, agentNamespace); err != nil {
		return err
	}
	for _, chart := range []string{"eastwest-agent", "eastwest-mcs-crds"} {
		files, err := fs.Glob(manifests.FS, path.Join("charts", chart, "crds", "*.yaml"))
		if err != nil {
			return err
		}
		for _, file := range files {
			if err := c.makeType(ctx, file); err != nil {
				return fmt.Errorf("make %s: %w", file, err)
			}
		}
	}
	return nil
}

func (c *cluster) makeType(ctx context.Context, file string) error {
	text, err := manifests.FS.ReadFile(file)
	if err != nil {
		return err
	}
	object := &unstructured.Unstructured{}
	if err := yaml.Unmarshal(text, &object.Object); err != nil {
		return err
	}
	types := schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}
	_, err = c.dynamic.Resource(types).Create(ctx, object, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		return nil
	}
	return err
}

func (c *cluster) makeNamespace(ctx context.Context, name string) error {
	_, err := c.kube.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		return nil
	}
	return err
}

// shop makes a service cart with so many endpoints in a namespace that no other test
// has, and the namespace in the own cluster too.
func shop(t *testing.T, count int, in ...*cluster) (namespace string) {
	t.Helper()
	plain := func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}
	namespace = strings.Map(plain, strings.ToLower(t.Name()))
	namespace = "shop-" + strings.Trim(namespace[:min(len(namespace), 40)], "-")
	must(t, own.makeNamespace(t.Context(), namespace))
	for _, c := range in {
		must(t, c.makeNamespace(t.Context(), namespace))
		c.makeService(t, namespace, "cart")
		c.endpoints(t, namespace, "cart", count)
	}
	return namespace
}

func (c *cluster) makeService(t *testing.T, namespace, name string) {
	t.Helper()
	service := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace},
		Spec:       corev1.ServiceSpec{Ports: []corev1.ServicePort{{Name: "http", Port: 80}}},
	}
	_, err := c.kube.CoreV1().Services(namespace).Create(t.Context(), service, metav1.CreateOptions{})
	if !apierrors.IsAlreadyExists(err) {
		must(t, err)
	}
}

// endpoints has a service have so many, in one slice for each thousand. Slices that
// there are beyond stay.
func (c *cluster) endpoints(t *testing.T, namespace, service string, count int) {
	t.Helper()
	for i := 0; i == 0 || i*perSlice < count; i++ {
		c.slice(t, namespace, service, i, min(count-i*perSlice, perSlice))
	}
}

// perSlice is as many as the API takes.
const perSlice = 1000

// slice makes the i-th slice of a service, or changes it.
func (c *cluster) slice(t *testing.T, namespace, service string, i, count int) {
	t.Helper()
	port, name := int32(8080), "http"
	slice := &discoveryv1.EndpointSlice{
		ObjectMeta: metav1.ObjectMeta{
			Name: fmt.Sprintf("%s-%d", service, i), Namespace: namespace, Labels: map[string]string{discoveryv1.LabelServiceName: service},
		},
		AddressType: discoveryv1.AddressTypeIPv4, Ports: []discoveryv1.EndpointPort{{Name: &name, Port: &port}},
	}
	for j := range count {
		at := i*perSlice + j
		address := fmt.Sprintf("10.%d.%d.%d", 1+at>>16, at>>8&0xff, at&0xff)
		slice.Endpoints = append(slice.Endpoints, discoveryv1.Endpoint{Addresses: []string{address}})
	}
	slices := c.kube.DiscoveryV1().EndpointSlices(namespace)
	_, err := slices.Create(t.Context(), slice, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		_, err = slices.Update(t.Context(), slice, metav1.UpdateOptions{})
	}
	must(t, err)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// await asks until there is no error, for as long as a busy machine may need, and says
// what was wrong last otherwise. It returns how long that took.
func await(t *testing.T, what string, ask func(ctx context.Context) error) time.Duration {
	t.Helper()
	var last error
	return rig.Await(t, what, patience, func(ctx context.Context) error {
		err := ask(ctx)
		if ctx.Err() == nil || last == nil {
			last = err
		}
		if err != nil {
			return last
		}
		return nil
	})
}
