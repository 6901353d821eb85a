//go:build e2e

package mcs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/eastwest-mesh/eastwest/lab/e2e/internal/rig"
)

// space is the namespace of the guide's example.
const space = "mcs-guide"

// workloads are what the exporting cluster has: a Service with an address and a
// headless one, whose pods have host names.
const workloads = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: hello, namespace: mcs-guide}
spec:
  replicas: 1
  selector: {matchLabels: {app: hello}}
  template:
    metadata: {labels: {app: hello}}
    spec:
      terminationGracePeriodSeconds: 1
      containers: [{name: hello, image: "lab.local/helloworld-v1:lab", readinessProbe: {httpGet: {path: /health, port: 5000}, periodSeconds: 1}}]
---
apiVersion: v1
kind: Service
metadata: {name: hello, namespace: mcs-guide}
spec: {selector: {app: hello}, ports: [{name: http, port: 80, targetPort: 5000}]}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db, namespace: mcs-guide}
spec:
  replicas: 2
  serviceName: db
  podManagementPolicy: Parallel
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec:
      terminationGracePeriodSeconds: 1
      containers: [{name: db, image: "lab.local/helloworld-v1:lab", readinessProbe: {httpGet: {path: /health, port: 5000}, periodSeconds: 1}}]
---
apiVersion: v1
kind: Service
metadata: {name: db, namespace: mcs-guide}
spec: {clusterIP: None, selector: {app: db}, ports: [{name: http, port: 5000}]}
`

// client is a pod to look up and call from, in every cluster.
const client = `
apiVersion: v1
kind: Pod
metadata: {name: client, namespace: mcs-guide}
spec:
  terminationGracePeriodSeconds: 1
  containers: [{name: client, image: "lab.local/netshoot:lab", command: [sleep, infinity]}]
`

// export is the guide's object.
const export = `
apiVersion: net.gke.io/v1
kind: ServiceExport
metadata: {name: %s, namespace: mcs-guide}
`

// guide walks guide-mcs with one exporting cluster and all of them importing.
func guide(t *testing.T) {
	suite.Each(func(i int) {
		suite.Kubectl(t, i, "delete", "namespace", space, "--ignore-not-found")
		suite.Kubectl(t, i, "create", "namespace", space)
		suite.Kubectl(t, i, "-n", space, "wait", "--for=create", "serviceaccount/default", "--timeout=60s")
		suite.Apply(t, i, client)
	})
	suite.Apply(t, 1, workloads)
	suite.Kubectl(t, 1, "-n", space, "rollout", "status", "deployment/hello", "--timeout=120s")
	suite.Kubectl(t, 1, "-n", space, "rollout", "status", "statefulset/db", "--timeout=120s")
	suite.Each(func(i int) {
		suite.Kubectl(t, i, "-n", space, "wait", "--for=condition=Ready", "pod/client", "--timeout=120s")
	})

	t.Run("export and call", exportAndCall)
	t.Run("headless", headlessNames)
	t.Run("delays", delays)
	t.Run("unexport", unexport)
	suite.Each(func(i int) { suite.Kubectl(t, i, "delete", "namespace", space, "--wait=false") })
}

// exportAndCall exports, waits for the import as the guide does, resolves its name in
// every cluster and calls it.
func exportAndCall(t *testing.T) {
	suite.Apply(t, 1, fmt.Sprintf(export, "hello"))
	suite.Each(func(i int) {
		one := awaitImport(t, i, "hello")
		if one.Spec.Type != "ClusterSetIP" || len(one.Spec.IPs) != 1 {
			t.Fatalf("c%d: import %+v, want type ClusterSetIP and an address", i, one)
		}
		derived := one.Metadata.Annotations["net.gke.io/derived-service"]
		if address := suite.Kubectl(t, i, "-n", space, "get", "service", derived, "-o", "jsonpath={.spec.clusterIP}"); address != one.Spec.IPs[0] {
			t.Errorf("c%d: derived Service %q has address %s, the import %v", i, derived, address, one.Spec.IPs)
		}
		rig.Await(t, fmt.Sprintf("endpoints in c%d", i), time.Minute, func(ctx context.Context) error {
			found, err := suite.Try(ctx, i, "-n", space, "get", "endpoints", derived, "-o", "jsonpath={.subsets[*].addresses[*].ip}")
			if err == nil && found == "" {
				err = errors.New("there are none")
			}
			return err
		})
		resolves(t, i, "hello."+space+".svc.clusterset.local", one.Spec.IPs...)
		answers(t, i, "hello."+space+".svc.clusterset.local", 80)
	})
}

// headlessNames looks up the names of a headless Service and of its pods, and calls.
func headlessNames(t *testing.T) {
	suite.Apply(t, 1, fmt.Sprintf(export, "db"))
	pods := map[string]string{}
	for line := range strings.Lines(suite.Kubectl(t, 1, "-n", space, "get", "pods", "-l", "app=db", "-o",
		`jsonpath={range .items[*]}{.metadata.name} {.status.podIP}{"\n"}{end}`)) {
		fields := strings.Fields(line)
		pods[fields[0]] = fields[1]
	}
	suite.Each(func(i int) {
		one := awaitImport(t, i, "db")
		if one.Spec.Type != "Headless" || len(one.Status.Clusters) != 1 {
			t.Fatalf("c%d: import %+v, want type Headless and one exporter", i, one)
		}
		name := "db." + space + ".svc.clusterset.local"
		resolves(t, i, name, pods["db-0"], pods["db-1"])
		// projects/MESH/locations/LOCATION/memberships/MEMBERSHIP
		member := strings.Split(one.Status.Clusters[0].Cluster, "/")
		for pod, address := range pods {
			full := strings.Join([]string{pod, member[5], member[3], name}, ".")
			resolves(t, i, full, address)
			answers(t, i, full, 5000)
			resolves(t, i, strings.Join([]string{pod, member[5], name}, "."), address)
		}
	})
}

// unexport withdraws both: neither imports, nor names, nor slices stay anywhere.
func unexport(t *testing.T) {
	for _, name := range []string{"hello", "db"} {
		suite.Kubectl(t, 1, "-n", space, "delete", "serviceexports.net.gke.io", name)
	}
	suite.Each(func(i int) {
		rig.Await(t, fmt.Sprintf("c%d has nothing of the exports", i), 30*time.Second, func(ctx context.Context) error {
			left, err := suite.Try(ctx, i, "-n", space, "get", "serviceimports.net.gke.io,serviceimports.multicluster.x-k8s.io", "-o", "name")
			if err != nil {
				return err
			}
			derived, err := suite.Try(ctx, i, "-n", space, "get", "services,endpoints,endpointslices", "-l", "eastwest.dev/derived=true", "-o", "name")
			if err == nil && left+derived != "" {
				err = fmt.Errorf("there are %s %s", left, derived)
			}
			return err
		})
		resolves(t, i, "hello."+space+".svc.clusterset.local")
		resolves(t, i, "db."+space+".svc.clusterset.local")
	})
}

// imported is what the guide looks at of an import.
type imported struct {
	Metadata struct{ Annotations map[string]string }
	Spec     struct {
		Type string
		IPs  []string
	}
	Status struct{ Clusters []struct{ Cluster string } }
}

// awaitImport waits as the guide does: until the import names what stands for it.
func awaitImport(t *testing.T, i int, name string) imported {
	t.Helper()
	var one imported
	rig.Await(t, fmt.Sprintf("c%d imports %s", i, name), time.Minute, func(ctx context.Context) error {
		out, err := suite.Try(ctx, i, "-n", space, "get", "serviceimports.net.gke.io", name, "-o", "json")
		if err != nil {
			return err
		}
		one = imported{}
		if err := json.Unmarshal([]byte(out), &one); err != nil {
			return err
		}
		if one.Spec.Type == "ClusterSetIP" && (one.Metadata.Annotations["net.gke.io/derived-service"] == "" || len(one.Spec.IPs) == 0) || len(one.Status.Clusters) == 0 {
			return fmt.Errorf("import %+v", one)
		}
		return nil
	})
	return one
}

// resolves waits until a pod of cluster i finds these addresses, and no others.
func resolves(t *testing.T, i int, name string, want ...string) {
	t.Helper()
	slices.Sort(want)
	rig.Await(t, fmt.Sprintf("c%d resolves %s to %v", i, name, want), 30*time.Second, func(ctx context.Context) error {
		out, err := suite.Try(ctx, i, "-n", space, "exec", "client", "--", "sh", "-c", "dig +short +time=3 +tries=1 A "+name+".")
		got := strings.Fields(out)
		slices.Sort(got)
		if err == nil && !slices.Equal(got, want) {
			err = fmt.Errorf("it has %v", got)
		}
		return err
	})
}

// answers waits until a call from a pod of cluster i is answered.
func answers(t *testing.T, i int, name string, port int) {
	t.Helper()
	call := fmt.Sprintf(`printf 'GET /hello HTTP/1.0\r\n\r\n' | nc -w 3 %s. %d`, name, port)
	rig.Await(t, fmt.Sprintf("%s:%d answers c%d", name, port, i), 30*time.Second, func(ctx context.Context) error {
		out, err := suite.Try(ctx, i, "-n", space, "exec", "client", "--", "sh", "-c", call)
		if err == nil && !strings.Contains(out, "Hello version: v1") {
			err = fmt.Errorf("it says %q", out)
		}
		return err
	})
}
