//go:build e2e

package mcs

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/eastwest-mesh/eastwest/lab/e2e/internal/rig"
)

// Kinds of both dialects, and the namespaces of what goes wrong: one that is there
// everywhere, and one that comes later.
const (
	upstreamExports = "serviceexports.multicluster.x-k8s.io"
	upstreamImports = "serviceimports.multicluster.x-k8s.io"
	gkeImports      = "serviceimports.net.gke.io"
	rowsSpace       = "mcs-rows"
	lateSpace       = "mcs-late"
)

// rows are what users and clusters do wrong, each with something near it that the
// tables do not name: docs/faults.md.
func rows(t *testing.T) {
	suite.Each(func(i int) { suite.Kubectl(t, i, "create", "namespace", rowsSpace) })
	t.Run("one by one", func(t *testing.T) {
		for name, row := range map[string]func(t *testing.T){
			"S01 an export without a Service":     exportWithoutService,
			"S04 members differ in the type":      differentTypes,
			"S07 an import that is made by hand":  handMadeImport,
			"S08 somebody edits what is ours":     editedObjects,
			"F51 a namespace that comes and goes": namespaceComesAndGoes,
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				row(t)
			})
		}
	})
	t.Run("F21 the type of exports is deleted", typeIsDeleted)
	suite.Each(func(i int) {
		suite.Kubectl(t, i, "delete", "namespace", rowsSpace, lateSpace, "--ignore-not-found", "--wait=false")
	})
}

// service and exported are objects of a name.
func service(space, name, more string) string {
	return fmt.Sprintf("apiVersion: v1\nkind: Service\nmetadata: {name: %s, namespace: %s}\nspec: {selector: {app: %[1]s}, ports: [{name: http, port: 80}]%[3]s}\n", name, space, more)
}

func exported(space, name string) string {
	return fmt.Sprintf("---\napiVersion: multicluster.x-k8s.io/v1beta1\nkind: ServiceExport\nmetadata: {name: %s, namespace: %s}\n", name, space)
}

// says waits until kubectl's answer holds all parts. None: until there is no such object.
func says(t *testing.T, i int, args []string, parts ...string) {
	t.Helper()
	rig.Await(t, fmt.Sprintf("c%d: %s has %q", i, strings.Join(args, " "), parts), 30*time.Second, func(ctx context.Context) error {
		out, err := suite.Try(ctx, i, append(args, "--ignore-not-found")...)
		if err != nil || len(parts) == 0 && out != "" {
			return fmt.Errorf("it has %q, %w", out, err)
		}
		for _, part := range parts {
			if !strings.Contains(out, part) {
				return fmt.Errorf("it has %q", out)
			}
		}
		return nil
	})
}

// object asks for a field of an object, by JSONPath.
func object(space, kind, name, path string) []string {
	return []string{"-n", space, "get", kind, name, "-o", "jsonpath=" + path}
}

// conditions asks for TYPE=STATUS/REASON of each.
func conditions(space, kind, name string) []string {
	return object(space, kind, name, `{range .status.conditions[*]}{.type}={.status}/{.reason} {end}`)
}

func exportWithoutService(t *testing.T) {
	suite.Apply(t, 1, exported(rowsSpace, "s01"))
	export := conditions(rowsSpace, upstreamExports, "s01")
	says(t, 1, export, "Valid=False/NoService", "Ready=False/Failed")
	suite.Each(func(i int) { says(t, i, object(rowsSpace, upstreamImports, "s01", "{.metadata.name}")) })
	suite.Apply(t, 1, service(rowsSpace, "s01", ""))
	says(t, 1, export, "Valid=True/Valid", "Ready=True/Ready")
	suite.Each(func(i int) { says(t, i, conditions(rowsSpace, upstreamImports, "s01"), "Ready=True/Ready") })
	// Its neighbour: the Service goes again, and the export stays.
	suite.Kubectl(t, 1, "-n", rowsSpace, "delete", "service", "s01")
	says(t, 1, export, "Valid=False/NoService")
	suite.Each(func(i int) { says(t, i, object(rowsSpace, upstreamImports, "s01", "{.metadata.name}")) })
}

func differentTypes(t *testing.T) {
	suite.Apply(t, 1, service(rowsSpace, "s04", "")+exported(rowsSpace, "s04"))
	shape := object(rowsSpace, upstreamImports, "s04", "{.spec.type} {.spec.ips[0]} {.status.clusters[*].cluster}")
	says(t, 3, shape, "ClusterSetIP 1", "c1")
	before := strings.Fields(suite.Kubectl(t, 3, shape...))[1]
	suite.Apply(t, 2, service(rowsSpace, "s04", ", clusterIP: None")+exported(rowsSpace, "s04"))
	for i := 1; i <= 2; i++ {
		says(t, i, conditions(rowsSpace, upstreamExports, "s04"), "Conflict=True/TypeConflict")
	}
	says(t, 3, shape, "ClusterSetIP "+before+" ", "c1", "c2")
	// Its neighbour: whoever was first withdraws, and the other one's word holds.
	suite.Kubectl(t, 1, "-n", rowsSpace, "delete", upstreamExports, "s04")
	says(t, 2, conditions(rowsSpace, upstreamExports, "s04"), "Conflict=False/NoConflicts")
	says(t, 3, shape, "Headless", "c2")
}

func handMadeImport(t *testing.T) {
	suite.Apply(t, 2, "apiVersion: multicluster.x-k8s.io/v1beta1\nkind: ServiceImport\nmetadata: {name: s07, namespace: mcs-rows}\n"+
		"spec: {type: ClusterSetIP, ips: [192.0.2.7], ports: [{port: 7}]}\n")
	suite.Apply(t, 1, service(rowsSpace, "s07", "")+exported(rowsSpace, "s07"))
	says(t, 2, conditions(rowsSpace, upstreamImports, "s07"), "eastwest.dev/Managed=False/NotManaged")
	// Its neighbour: the other dialect has none made by hand, and is ours.
	says(t, 2, conditions(rowsSpace, gkeImports, "s07"), "Ready=True/Ready")
	says(t, 2, object(rowsSpace, upstreamImports, "s07", "{.spec.ips} {.spec.ports[*].port}"), `["192.0.2.7"] 7`)
	suite.Kubectl(t, 2, "-n", rowsSpace, "delete", upstreamImports, "s07")
	says(t, 2, conditions(rowsSpace, upstreamImports, "s07"), "Ready=True/Ready")
}

func editedObjects(t *testing.T) {
	suite.Apply(t, 1, service(rowsSpace, "s08", "")+exported(rowsSpace, "s08"))
	says(t, 3, conditions(rowsSpace, upstreamImports, "s08"), "Ready=True/Ready")
	derived := suite.Kubectl(t, 3, object(rowsSpace, upstreamImports, "s08", `{.metadata.annotations.multicluster\.kubernetes\.io/derived-service}`)...)
	suite.Kubectl(t, 3, "-n", rowsSpace, "patch", upstreamImports, "s08", "--type=merge", "-p", `{"metadata":{"labels":{"theirs":"stays"}},"spec":{"ports":[{"port":9}]}}`)
	suite.Kubectl(t, 3, "-n", rowsSpace, "patch", "service", derived, "-p", `{"metadata":{"labels":{"theirs":"stays"}},"spec":{"ports":[{"name":"http","port":80,"targetPort":9}]}}`)
	says(t, 3, object(rowsSpace, upstreamImports, "s08", "{.spec.ports[*].port} {.metadata.labels.theirs}"), "80 stays")
	says(t, 3, object(rowsSpace, "service", derived, "{.spec.ports[*].targetPort} {.metadata.labels.theirs}"), "80 stays")
	// Its neighbour: they are deleted outright, and come back together.
	suite.Kubectl(t, 3, "-n", rowsSpace, "delete", "service/"+derived, upstreamImports+"/s08")
	says(t, 3, conditions(rowsSpace, upstreamImports, "s08"), "Ready=True/Ready")
	rig.Await(t, "the import has the new address", 30*time.Second, func(ctx context.Context) error {
		address, err := suite.Try(ctx, 3, object(rowsSpace, "service", derived, "{.spec.clusterIP}")...)
		if err != nil {
			return err
		}
		ips, err := suite.Try(ctx, 3, object(rowsSpace, upstreamImports, "s08", "{.spec.ips[0]}")...)
		if err == nil && (ips == "" || ips != address) {
			err = fmt.Errorf("%q, and the Service has %q", ips, address)
		}
		return err
	})
}

func namespaceComesAndGoes(t *testing.T) {
	suite.Kubectl(t, 1, "create", "namespace", lateSpace)
	suite.Apply(t, 1, service(lateSpace, "f51", "")+exported(lateSpace, "f51"))
	imported := conditions(lateSpace, upstreamImports, "f51")
	says(t, 1, imported, "Ready=True/Ready")
	says(t, 2, imported)
	suite.Kubectl(t, 2, "create", "namespace", lateSpace)
	says(t, 2, imported, "Ready=True/Ready")
	// A namespace that is going and cannot: nothing is made in it again and again.
	suite.Apply(t, 2, "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: stays, namespace: mcs-late, finalizers: [example.com/wait]}\n")
	suite.Kubectl(t, 2, "delete", "namespace", lateSpace, "--wait=false")
	says(t, 2, imported)
	before := writes(t, 2, lateSpace)
	suite.Apply(t, 1, service(lateSpace, "more", "")+exported(lateSpace, "more"))
	says(t, 1, conditions(lateSpace, upstreamImports, "more"), "Ready=True/Ready")
	if made := writes(t, 2, lateSpace) - before; made > 10 {
		t.Errorf("%d attempts to write into a namespace that is going", made)
	}
	// Its neighbour: it goes in the end, and one of its name comes.
	suite.Kubectl(t, 2, "-n", lateSpace, "patch", "configmap", "stays", "--type=merge", "-p", `{"metadata":{"finalizers":null}}`)
	says(t, 2, []string{"get", "namespace", lateSpace})
	suite.Kubectl(t, 2, "create", "namespace", lateSpace)
	says(t, 2, imported, "Ready=True/Ready")
}

// writes counts requests of the agent that write into a namespace.
func writes(t *testing.T, i int, space string) int {
	t.Helper()
	text, err := os.ReadFile(suite.Cluster(i).AuditLog)
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	for line := range strings.Lines(string(text)) {
		if strings.Contains(line, `"namespace":"`+space+`"`) && strings.Contains(line, ":eastwest-agent") &&
			(strings.Contains(line, `"verb":"patch"`) || strings.Contains(line, `"verb":"create"`)) {
			count++
		}
	}
	return count
}

// typeIsDeleted: with the type go its objects, and what they exported; the other dialect
// goes on. Its neighbour: the type comes back, and exports count again with no restart.
func typeIsDeleted(t *testing.T) {
	suite.Apply(t, 2, service(rowsSpace, "f21", "")+exported(rowsSpace, "f21"))
	suite.Apply(t, 2, service(rowsSpace, "other", "")+"---\napiVersion: net.gke.io/v1\nkind: ServiceExport\nmetadata: {name: other, namespace: mcs-rows}\n")
	clusters := func(name string) []string {
		return object(rowsSpace, upstreamImports, name, "{.status.clusters[*].cluster}")
	}
	says(t, 3, clusters("f21"), "c2")
	says(t, 3, clusters("other"), "c2")
	crd := suite.Kubectl(t, 2, "get", "crd", upstreamExports, "-o", "yaml")
	suite.Kubectl(t, 2, "delete", "crd", upstreamExports)
	took := rig.Await(t, "its exports are withdrawn", 3*time.Minute, func(ctx context.Context) error {
		out, err := suite.Try(ctx, 3, append(clusters("f21"), "--ignore-not-found")...)
		if err == nil && out != "" {
			err = fmt.Errorf("exported by %s", out)
		}
		return err
	})
	t.Logf("figure: withdrawn %s after the type", took.Round(time.Millisecond))
	says(t, 3, clusters("other"), "c2")
	suite.Apply(t, 2, withoutStatus(crd))
	suite.Kubectl(t, 2, "wait", "--for=condition=Established", "crd/"+upstreamExports, "--timeout=60s")
	suite.Apply(t, 2, exported(rowsSpace, "f21"))
	rig.Await(t, "exports count again", 3*time.Minute, func(ctx context.Context) error {
		out, err := suite.Try(ctx, 3, append(clusters("f21"), "--ignore-not-found")...)
		if err == nil && out != "c2" {
			err = fmt.Errorf("exported by %q", out)
		}
		return err
	})
}

// withoutStatus is an object as it can be made again.
func withoutStatus(manifest string) string {
	head, _, _ := strings.Cut(manifest, "\nstatus:")
	var kept []string
	for line := range strings.Lines(head + "\n") {
		switch word, _, _ := strings.Cut(strings.TrimSpace(line), ":"); word {
		case "resourceVersion", "uid", "creationTimestamp", "generation":
		default:
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "")
}
