package chain

import (
	"fmt"
	"net/http"
	"slices"

	"github.com/eastwest-mesh/eastwest/installer/verify/istio/facts"
)

func discoveryChecks() []Check {
	return []Check{
		{
			ID: "discovery-key", Hop: HopDiscovery, Test: testKey,
			Claim: "the remote secret's key is the producer's cluster ID",
			Hint:  "endpoints of a cluster known under another ID are not matched with its gateway",
		},
		{
			ID: "discovery-secret", Hop: HopDiscovery, Test: testSecret,
			Claim: "the consumer holds a remote secret of the producer",
			Hint:  "kubectl -n istio-system get secret -l istio/multiCluster=true",
		},
		{
			ID: "discovery-token", Hop: HopDiscovery, Test: testToken,
			Claim: "the producer's API server accepts the credential in the remote secret",
			Hint:  "an istiod goes on with what it knows until its watches end; then it learns nothing new",
		},
		{
			ID: "discovery-api", Hop: HopDiscovery, Test: testAPI,
			Claim: "the API address in the remote secret answers from the consumer",
			Hint:  "the address must be one that pods of the consumer can dial, not the administrator's",
		},
		{
			ID: "discovery-sync", Hop: HopDiscovery, Test: testSync,
			Claim: "every istiod replica of the consumer has synced the producer",
			Hint:  "istioctl remote-clusters; it shows the first sync only",
		},
	}
}

const again = "run eastwest create-mesh again for %s and %s: it gives %s a new credential of %s"

func (l Link) join() string {
	return fmt.Sprintf(again, l.Consumer.Name, l.Producer.Name, l.Consumer.Name, l.Producer.Name)
}

// flow says what the finding means for traffic right now.
func (l Link) flow() []string {
	if l.Works {
		return []string{"traffic still works: this link answers from what istiod already knows"}
	}
	var seen []string
	if l.View.Read {
		seen = append(seen, l.seenEndpoints())
	}
	if l.Remembered > 0 {
		seen = append(seen, fmt.Sprintf("traffic still works to endpoints that istiod of %s learnt before (services: %d); new ones are not learnt",
			l.Consumer.Name, l.Remembered))
	}
	return seen
}

func testKey(l Link) *Broken {
	c := l.Credential
	if l.Self() || !c.Expected || c.Secret != nil || c.Misfiled == nil {
		return nil
	}
	return &Broken{
		Cluster: l.Consumer.Name, Object: "Secret " + c.Misfiled.String(), Final: true,
		Seen: fmt.Sprintf("the credential of %s is stored under %q; its istiod says its cluster ID is %q",
			l.Producer.Name, c.Misfiled.ClusterID, l.Producer.ClusterID),
		Evidence: l.flow(),
		Fix: fmt.Sprintf("store it under the key %s, or set values.global.multiCluster.clusterName=%s in %s and restart its workloads",
			l.Producer.ClusterID, c.Misfiled.ClusterID, l.Producer.Name),
	}
}

func testSecret(l Link) *Broken {
	c := l.Credential
	if l.Self() || !c.Expected || c.Misfiled != nil || (c.Secret != nil && c.Secret.Invalid == "") {
		return nil
	}
	b := &Broken{
		Cluster: l.Consumer.Name, Final: true, Evidence: l.flow(), Fix: l.join(),
		Seen: fmt.Sprintf("%s holds no remote secret with the cluster ID %s", l.Consumer.Name, l.Producer.ClusterID),
	}
	if c.Secret != nil {
		b.Object = "Secret " + c.Secret.String()
		b.Seen = "the remote secret is unusable: " + c.Secret.Invalid
	}
	if ids := secretIDs(l.Consumer.Facts.RemoteSecrets); len(ids) > 0 {
		b.Evidence = append(b.Evidence, fmt.Sprintf("remote secrets of %s: %v", l.Consumer.Name, ids))
	}
	return b
}

func testToken(l Link) *Broken {
	c := l.Credential
	if c.Secret == nil || (c.Status != http.StatusUnauthorized && c.Status != http.StatusForbidden) {
		return nil
	}
	b := &Broken{
		Cluster: l.Consumer.Name, Object: "Secret " + c.Secret.String(), Final: true, Fix: l.join(),
		Seen: fmt.Sprintf("the API server of %s refuses the token that %s holds (HTTP %d: revoked or expired)",
			l.Producer.Name, l.Consumer.Name, c.Status),
		Evidence: l.flow(),
	}
	if c.Status == http.StatusForbidden {
		b.Seen = fmt.Sprintf("the token that %s holds may not list services of %s (HTTP 403)", l.Consumer.Name, l.Producer.Name)
		b.Fix = l.join() + " with the rights its istiod needs"
	}
	return b
}

func testAPI(l Link) *Broken {
	c := l.Credential
	if c.Secret == nil || c.Dial == nil || c.Dial.Connected() {
		return nil
	}
	return &Broken{
		Cluster: l.Consumer.Name, Object: "Secret " + c.Secret.String(), Final: true,
		Seen:     fmt.Sprintf("%s, the API server of %s, is unreachable from a pod of %s: %s", c.Secret.Server, l.Producer.Name, l.Consumer.Name, c.Dial.Failure()),
		Evidence: l.flow(),
		Fix: fmt.Sprintf("open the way from the nodes of %s to %s, or run eastwest create-mesh with --server for an address they reach",
			l.Consumer.Name, c.Secret.Server),
	}
}

func testSync(l Link) *Broken {
	if l.Self() || l.Credential.Secret == nil {
		return nil
	}
	var bad []string
	for _, i := range l.Consumer.Facts.Istiods {
		if state, ok := i.Sync[l.Producer.ClusterID]; i.Sync != nil && state != "synced" {
			if !ok {
				state = "absent"
			}
			bad = append(bad, fmt.Sprintf("%s: %s", i.Pod, state))
		}
	}
	if len(bad) == 0 {
		return nil
	}
	slices.Sort(bad)
	return &Broken{
		Cluster: l.Consumer.Name, Object: "Secret " + l.Credential.Secret.String(),
		Seen:     fmt.Sprintf("istiod of %s has not synced %s", l.Consumer.Name, l.Producer.ClusterID),
		Evidence: append(bad, l.flow()...),
		Fix: fmt.Sprintf("see why in the log of that istiod (kubectl -n %s logs POD -c discovery | grep -i %s); a missing right shows as forbidden",
			l.Credential.Secret.Namespace, l.Producer.ClusterID),
	}
}

func secretIDs(all []facts.RemoteSecret) []string {
	var ids []string
	for _, s := range all {
		ids = append(ids, s.ClusterID)
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}
