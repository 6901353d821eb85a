package sides

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// IstiodOptions say how an istiod is run on the host.
type IstiodOptions struct {
	// Binary is the path of pilot-discovery.
	Binary string
	// Own is the cluster it belongs to. Others are found by their secrets there.
	Own Cluster
	// Settings are its environment, by name.
	Settings map[string]string
	// Run is what the process gets of the host.
	Run Run
}

// StartIstiod runs an istiod until the test ends, and waits until it is ready. It serves
// xDS in clear and issues no certificates; injection and validation are off.
func StartIstiod(t testing.TB, o IstiodOptions) *Istiod {
	t.Helper()
	dir, ports := t.TempDir(), freePorts(t, 3)
	text := fmt.Sprintf("trustDomain: cluster.local\ndefaultConfig: {discoveryAddress: %q}\n", ports[0])
	config := filepath.Join(dir, "mesh.yaml")
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	env := []string{
		"POD_NAME=istiod-on-host", "POD_NAMESPACE=istio-system", "SERVICE_ACCOUNT=istiod", "REVISION=default", "CLUSTER_ID=" + o.Own.ID,
		"ENABLE_CA_SERVER=false", "PILOT_CERT_PROVIDER=none", "INJECT_ENABLED=false", "VALIDATION_ENABLED=false", "PILOT_ENABLE_ANALYSIS=false",
		// Whoever holds the lease of another run would be waited for.
		"PILOT_ENABLE_LEADER_ELECTION=false",
	}
	for name, value := range o.Settings {
		env = append(env, name+"="+value)
	}
	process := start(t, o.Run, env, o.Binary, "discovery",
		"--kubeconfig", o.Own.Kubeconfig, "--clusterID", o.Own.ID, "--meshConfig", config, "--registries", "Kubernetes",
		"--grpcAddr", ports[0], "--httpAddr", ports[1], "--monitoringAddr", ports[2], "--httpsAddr", "", "--secureGRPCAddr", "", "--ctrlz_port", "0",
		"--log_output_level", "default:warn")
	AwaitStart(t, "istiod is ready", func(ctx context.Context) error { return Healthy(ctx, "http://"+ports[1]+"/ready") })
	return &Istiod{cluster: o.Own, address: ports[0], pages: ports[1], Process: process}
}

// Heap is what an istiod on the host has in use of its heap after a collection, in
// bytes.
func (i *Istiod) Heap(ctx context.Context) (int64, error) { return heap(ctx, i.pages) }

// Profile is one of its, by the name and parameters of net/http/pprof.
func (i *Istiod) Profile(ctx context.Context, which string) ([]byte, error) {
	return profile(ctx, i.pages, which)
}
