package installer

import (
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/eastwest-mesh/eastwest/installer/verify"
	"github.com/eastwest-mesh/eastwest/installer/verify/istio"
	"github.com/eastwest-mesh/eastwest/installer/verify/plain"
	"github.com/eastwest-mesh/eastwest/installer/verify/report"
)

// VerifyOptions say how to prove the mesh.
type VerifyOptions struct {
	Namespace  string
	Requests   int
	Confidence float64
	Keep       bool
	Converge   time.Duration
}

// CheckVerify runs the checks without which verification cannot run; everything
// else it finds out from traffic.
func (in *Installer) CheckVerify(ctx context.Context) error {
	if err := in.checkDataplane(); err != nil {
		return err
	}
	checks := []string{"DuplicateCluster"}
	if !in.withoutMesh() {
		checks = append(checks, "RevisionNotFound")
	}
	return in.Preflight(ctx, checks...)
}

// verified is the data plane of a verification.
func (in *Installer) verified() verify.Dataplane {
	if in.withoutMesh() {
		return plain.New()
	}
	return istio.New()
}

// Verify proves the links of the topology with real traffic. Members that are
// out of the run have their rows in its report too.
func (in *Installer) Verify(ctx context.Context, options VerifyOptions) (*report.Report, error) {
	if in.dataplane == "" {
		if err := in.checkDataplane(); err != nil {
			return nil, err
		}
	}
	links, err := in.links()
	if err != nil {
		return nil, err
	}
	pairs := make([]verify.Pair, len(links))
	for i, link := range links {
		pairs[i] = verify.Pair{Consumer: link.Consumer, Producer: link.Producer}
	}
	exported := slices.ContainsFunc(in.sites, (*site).wantsExports)
	clusters := make([]verify.Cluster, len(in.sites))
	for i, s := range in.sites {
		clusters[i] = verify.Cluster{
			Name: s.name(), IstioNamespace: s.member.IstioNamespace, Exported: exported,
			Config: s.member.Config, Kube: s.member.Kube, Dynamic: s.member.Dynamic,
		}
		if s.facts == nil {
			continue
		}
		clusters[i].Network = s.network()
		if in.withoutMesh() {
			clusters[i].Network = in.networkOf(s)
		}
		if plane := s.plane(); plane != nil {
			clusters[i].ClusterID, clusters[i].Revision = plane.ClusterID, plane.Revision
		}
	}
	return verify.Run(ctx, in.verified(), clusters, verify.Options{
		Namespace: options.Namespace, Links: pairs, Requests: options.Requests, Confidence: options.Confidence,
		Keep: options.Keep, Converge: options.Converge, Images: in.verifyImages(),
		Progress: func(cluster, step string) {
			if cluster == "" {
				cluster = "mesh"
			}
			in.tell(Event{Cluster: cluster, Step: "verify", State: Note, Text: step})
		},
	})
}

// wantsExports reports whether the istiod of a member takes endpoints of other
// clusters only where a ServiceExport is beside their Service.
func (s *site) wantsExports() bool {
	if s.facts == nil || s.plane() == nil {
		return false
	}
	wanted, err := strconv.ParseBool(s.plane().Env["ENABLE_MCS_SERVICE_DISCOVERY"])
	return err == nil && wanted
}

// verifyImages applies the user's images and registry to the published ones.
func (in *Installer) verifyImages() verify.Images {
	images := verify.DefaultImages()
	wanted := in.mesh.Spec.Images
	if wanted.Registry != "" {
		images.Helloworld = wanted.Registry + "/" + images.Helloworld
		images.HelloworldV2 = wanted.Registry + "/" + images.HelloworldV2
		images.Sleep = wanted.Registry + "/" + images.Sleep
	}
	if wanted.Helloworld != "" {
		images.Helloworld, images.HelloworldV2 = wanted.Helloworld, ""
	}
	if wanted.Sleep != "" {
		images.Sleep = wanted.Sleep
	}
	return images
}
