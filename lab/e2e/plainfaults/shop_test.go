//go:build e2e

package plainfaults

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/eastwest-mesh/eastwest/lab/e2e/internal/rig"
)

// shop is the namespace of the workloads.
const shop = "shop"

// Ports of the shared service: all lead to the same server, and their names say
// what clients speak.
const (
	httpPort = 5000
	tcpPort  = 5001
	grpcPort = 5002
)

// replicas are those of the shared service in each cluster.
var replicas = map[int]int{1: 1, 2: 2, 3: 1}

// workloads of one cluster: a server that says which cluster it is in, a service of
// the cluster's own, and one that all share.
const workloads = `
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: hello, namespace: shop}
spec:
  replicas: %[2]d
  selector: {matchLabels: {app: hello}}
  template:
    metadata: {labels: {app: hello}}
    spec:
      terminationGracePeriodSeconds: 5
      containers:
      - name: hello
        image: lab.local/helloworld-v1:lab
        env: [{name: SERVICE_VERSION, value: c%[1]d}]
        readinessProbe: {httpGet: {path: /health, port: 5000}, periodSeconds: 1, timeoutSeconds: 5, failureThreshold: 5}
---
apiVersion: v1
kind: Service
metadata: {name: hello, namespace: shop}
spec:
  selector: {app: hello}
  ports:
  - {name: http, port: 5000}
  - {name: tcp, port: 5001, targetPort: 5000}
  - {name: grpc, port: 5002, targetPort: 5000}
---
apiVersion: v1
kind: Service
metadata: {name: own-c%[1]d, namespace: shop}
spec: {selector: {app: hello}, ports: [{name: tcp, port: 5001, targetPort: 5000}]}
---
apiVersion: multicluster.x-k8s.io/v1beta1
kind: ServiceExport
metadata: {name: hello, namespace: shop}
---
apiVersion: multicluster.x-k8s.io/v1beta1
kind: ServiceExport
metadata: {name: own-c%[1]d, namespace: shop}
`

// makeShop makes the workloads and waits until they run.
func makeShop(t *testing.T) {
	t.Helper()
	suite.Each(func(i int) { suite.Apply(t, i, fmt.Sprintf(workloads, i, replicas[i])) })
	suite.Each(func(i int) {
		suite.Kubectl(t, i, "-n", shop, "rollout", "status", "deployment/hello", "--timeout=90s")
	})
}

// derived is the address in cluster i of the Service that stands for an imported one.
func derived(t *testing.T, i int, service string) string {
	t.Helper()
	address := ""
	rig.Await(t, fmt.Sprintf("a derived Service in cluster %d for %s", i, service), 30*time.Second, func(ctx context.Context) error {
		out, err := suite.Try(ctx, i, "-n", shop, "get", "services", "-l", "eastwest.dev/derived=true", "-o", "json")
		if err != nil {
			return err
		}
		var list struct {
			Items []struct {
				Metadata struct {
					Name        string
					Annotations map[string]string
				}
				Spec struct{ ClusterIP string }
			}
		}
		if err := json.Unmarshal([]byte(out), &list); err != nil {
			return err
		}
		for _, one := range list.Items {
			if one.Metadata.Annotations["eastwest.dev/service"] == service && strings.HasPrefix(one.Metadata.Name, "derived-") {
				address = one.Spec.ClusterIP
				return nil
			}
		}
		return errors.New(out)
	})
	return address
}
