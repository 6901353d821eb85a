package installer

import (
	"context"

	"github.com/eastwest-mesh/eastwest/installer/apply"
)

// Up takes the steps of a mesh in order, up to the credentials; proving it with
// traffic is Verify. The error is of what stops all members.
func (in *Installer) Up(ctx context.Context) error {
	if err := in.checkDataplane(); err != nil {
		return err
	}
	if in.withoutMesh() {
		return in.upWithoutMesh(ctx)
	}
	if err := in.Preflight(ctx); err != nil {
		return err
	}
	if err := in.CheckMerge(ctx); err != nil {
		return err
	}
	if err := in.checkGateways(ctx); err != nil {
		return err
	}
	if err := in.Trust(ctx); err != nil {
		return err
	}
	if in.besideIstio() {
		if err := in.agentBesideIstio(ctx); err != nil {
			return err
		}
	}
	in.Gateway(ctx)
	if err := in.Expose(ctx); err != nil {
		return err
	}
	if in.besideIstio() {
		in.pointDNS(ctx)
		return in.connectThroughAgents(ctx)
	}
	return in.CreateMesh(ctx)
}

// Join is create-mesh: the checks that joining needs, then the credentials.
func (in *Installer) Join(ctx context.Context) error {
	if err := in.checkDataplane(); err != nil {
		return err
	}
	if in.withoutMesh() {
		if err := in.checkPlainTopology(); err != nil {
			return err
		}
		if err := in.Preflight(ctx, plainChecks()...); err != nil {
			return err
		}
		return in.connectAgents(ctx)
	}
	if err := in.Preflight(ctx); err != nil {
		return err
	}
	if err := in.CheckMerge(ctx); err != nil {
		return err
	}
	if _, err := in.CheckTrust(); err != nil {
		return err
	}
	if in.besideIstio() {
		return in.connectThroughAgents(ctx)
	}
	return in.CreateMesh(ctx)
}

// Usable lists the members that are still in the run.
func (in *Installer) Usable() []string {
	var names []string
	for _, s := range in.alive() {
		names = append(names, s.name())
	}
	return names
}

// GatewayChecks are the preflight checks that a gateway by itself needs.
func GatewayChecks() []string {
	return []string{"DuplicateCluster", "RevisionNotFound", "MissingCRDs", "NetworkMissing", "NetworkMismatch", "CertProvider"}
}

// Writes counts what was, or would be, written.
func (r Report) Writes() int {
	writes := 0
	for _, cluster := range r.Clusters {
		for _, change := range cluster.Changes {
			if change.Action != apply.Unchanged {
				writes++
			}
		}
	}
	return writes
}
