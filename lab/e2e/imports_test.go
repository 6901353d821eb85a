//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"
)

// exportHello exports the guide's helloworld from a cluster.
const exportHello = `apiVersion: multicluster.x-k8s.io/v1beta1
kind: ServiceExport
metadata: {name: helloworld, namespace: sample}
`

// testImportsBesideIstio turns on what istiod has for the multi-cluster services API:
// sidecars call the name in clusterset.local, which istiod makes of our import and
// which every cluster's own DNS knows, and reach the pods of both clusters. Names in
// cluster.local go on as they were.
func testImportsBesideIstio(t *testing.T) {
	for i := 1; i <= 2; i++ {
		apply(t, i, exportHello)
	}
	setIstiod(t, "ENABLE_MCS_SERVICE_DISCOVERY=true", "ENABLE_MCS_HOST=true")
	defer func() {
		for i := 1; i <= 2; i++ {
			remove(t, i, exportHello)
		}
		setIstiod(t, "ENABLE_MCS_SERVICE_DISCOVERY-", "ENABLE_MCS_HOST-")
		whole(t)
	}()
	for i := 1; i <= 2; i++ {
		for _, host := range []string{"helloworld.sample.svc.clusterset.local", "helloworld.sample"} {
			await(t, fmt.Sprintf("both versions of %s from c%d", host, i), 2*time.Minute, func(ctx context.Context) error {
				lines, err := callHello(ctx, i, host, 8)
				if counts := versions(lines); err != nil || counts["v1"] == 0 || counts["v2"] == 0 || counts["v1"]+counts["v2"] != 8 {
					return fmt.Errorf("answers %q, %v", lines, err)
				}
				return nil
			})
		}
	}
	t.Run("links are proved where istiods want exports", func(t *testing.T) {
		must(t, join([]string{"verify"}, members(1, 2), images())...)
	})
	t.Run("sidecars do not see the Service that has the address", func(t *testing.T) {
		if out := istioctl(t, 1, "", "proxy-config", "clusters", "deployment/sleep.sample"); strings.Contains(out, "derived-") || !strings.Contains(out, "clusterset.local") {
			t.Errorf("clusters:\n%s", out)
		}
	})
	t.Run("what is not exported any more goes", func(t *testing.T) {
		for i := 1; i <= 2; i++ {
			remove(t, i, exportHello)
		}
		for i := 1; i <= 2; i++ {
			await(t, fmt.Sprintf("no import in c%d", i), time.Minute, func(ctx context.Context) error {
				out, err := try(ctx, i, "-n", "sample", "get", "serviceimports.multicluster.x-k8s.io,serviceimports.net.gke.io,services", "-o", "name")
				if err != nil || strings.Contains(out, "serviceimport") || strings.Contains(out, "derived-") {
					return fmt.Errorf("there are %q, %v", out, err)
				}
				return nil
			})
		}
	})
}

// setIstiod changes the environment of istiod in c1 and c2, as kubectl set env takes it.
func setIstiod(t *testing.T, changes ...string) {
	t.Helper()
	for i := 1; i <= 2; i++ {
		kubectl(t, i, append([]string{"-n", "istio-system", "set", "env", "deployment/istiod-" + revision()}, changes...)...)
	}
	for i := 1; i <= 2; i++ {
		kubectl(t, i, "-n", "istio-system", "rollout", "status", "deployment/istiod-"+revision(), "--timeout=90s")
		wantSynced(t, i, 2)
	}
}
