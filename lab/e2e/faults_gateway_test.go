//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const gatewayName = "istio-eastwestgateway"

// gatewayFaults are at the gateway of c2.
func gatewayFaults() map[string]fault {
	return map[string]fault{
		"gateway Service without address": {
			inject: takeAddress, undo: giveAddress,
			check: "gateway-address", hop: "gateway", cluster: "c2", fix: "address",
		},
		"gateway pods down": {
			inject: func(t *testing.T) { scaleGateway(t, 0) },
			undo:   func(t *testing.T) { scaleGateway(t, 1) },
			check:  "gateway-pods", hop: "gateway", cluster: "c2", fix: "bring the gateway of c2 up",
		},
		"port 15443 dropped by a firewall": {
			inject: func(t *testing.T) { firewall(t, 2, "tcp dport 15443") },
			undo:   func(t *testing.T) { closeFirewall(t, 2) },
			check:  "gateway-tcp", hop: "gateway", cluster: "c2", fix: "open TCP",
		},
		"wrong network label on the gateway Service": {
			inject: func(t *testing.T) { labelGateway(t, "elsewhere") },
			undo:   func(t *testing.T) { labelGateway(t, cluster(2).Spec.Istio.Network) },
			check:  "gateway-network", hop: "gateway", cluster: "c2",
			fix: "kubectl -n istio-system label svc istio-eastwestgateway topology.istio.io/network=net-c2 --overwrite",
		},
		"expose-services missing": {
			inject: func(t *testing.T) {
				kubectl(t, 2, "-n", "istio-system", "delete", "gateways.networking.istio.io", "--all")
			},
			// The fix that the finding names.
			undo:  func(t *testing.T) { must(t, join([]string{"expose"}, members(2))...) },
			check: "sni-exposed", hop: "sni", cluster: "c2", fix: "run eastwest expose for c2",
		},
	}
}

// takeAddress is a cluster whose load balancer controller has gone.
func takeAddress(t *testing.T) {
	t.Helper()
	ctx, cancel := bounded(t)
	defer cancel()
	if err := cluster(2).Stop(ctx, "balancer", unix.SIGTERM); err != nil {
		t.Fatal(err)
	}
	kubectl(t, 2, "-n", "istio-system", "patch", "service", gatewayName, "--subresource=status", "--type=merge",
		"-p", `{"status":{"loadBalancer":null}}`)
}

func giveAddress(t *testing.T) {
	t.Helper()
	ctx, cancel := bounded(t)
	defer cancel()
	if err := cluster(2).Start(ctx, "balancer"); err != nil {
		t.Fatal(err)
	}
	await(t, "address of the gateway", time.Minute, func(ctx context.Context) error {
		ip, err := try(ctx, 2, "-n", "istio-system", "get", "service", gatewayName, "-o", "jsonpath={.status.loadBalancer.ingress[0].ip}")
		if err == nil && ip == "" {
			err = fmt.Errorf("it has none")
		}
		return err
	})
}

func scaleGateway(t *testing.T, replicas int) {
	t.Helper()
	kubectl(t, 2, "-n", "istio-system", "scale", "deployment", gatewayName, fmt.Sprintf("--replicas=%d", replicas))
	if replicas == 0 {
		kubectl(t, 2, "-n", "istio-system", "wait", "pod", "-l", "istio=eastwestgateway", "--for=delete", "--timeout=60s")
		return
	}
	kubectl(t, 2, "-n", "istio-system", "rollout", "status", "deployment", gatewayName, "--timeout=2m")
}

func labelGateway(t *testing.T, network string) {
	t.Helper()
	kubectl(t, 2, "-n", "istio-system", "label", "service", gatewayName, "topology.istio.io/network="+network, "--overwrite")
}
