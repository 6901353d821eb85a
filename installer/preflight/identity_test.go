package preflight

import (
	"testing"

	"github.com/eastwest-mesh/eastwest/installer/member"
)

func TestClusters(t *testing.T) {
	t.Parallel()
	runTable(t, map[string]one{
		"two clusters": {check: "DuplicateCluster", change: func(*Input) {}},
		"one cluster under two names": {
			"DuplicateCluster", func(in *Input) { in.Subjects[1].Facts.UID = "uid-east" }, Refuse, both(),
			[]string{"east and west are the same cluster", "UID uid-east"},
		},
		"cluster IDs of their own": {check: "DuplicateClusterID", change: func(*Input) {}},
		"one cluster ID for two": {
			"DuplicateClusterID", func(in *Input) { plane(in, 1).ClusterID = "east" }, Refuse, both(),
			[]string{`their cluster ID is "east"`, "in west set --set values.global.multiCluster.clusterName=west", "helm: --set global.multiCluster.clusterName=west", "restart istiod"},
		},
		"no istiod, no ID": {check: "DuplicateClusterID", change: func(in *Input) {
			in.Subjects[0].Facts.ControlPlanes, in.Subjects[1].Facts.ControlPlanes = nil, nil
		}},
	})
}

func TestRevisions(t *testing.T) {
	t.Parallel()
	second := func(in *Input, revision string) {
		facts := in.Subjects[0].Facts
		facts.ControlPlanes = append(facts.ControlPlanes, member.ControlPlane{Revision: revision})
	}
	runTable(t, map[string]one{
		"the only revision":      {check: "RevisionNotFound", change: func(in *Input) { plane(in, 0).Revision = "asm-1232-2" }},
		"the default one of two": {check: "RevisionNotFound", change: func(in *Input) { second(in, "canary") }},
		"the tag of two": {check: "RevisionNotFound", change: func(in *Input) {
			plane(in, 0).Revision = "old"
			second(in, "new")
			in.Subjects[0].Facts.Tags = map[string]string{"default": "new"}
		}},
		"a tag by name": {check: "RevisionNotFound", change: func(in *Input) {
			in.Subjects[0].Spec.Revision, in.Subjects[0].Facts.Tags = "prod", map[string]string{"prod": "default"}
		}},
		"none of two is the default": {
			"RevisionNotFound", func(in *Input) {
				plane(in, 0).Revision = "old"
				second(in, "new")
				in.Subjects[0].Facts.Tags = map[string]string{"prod": "old", "stage": "new", "abc": "new"}
			}, Refuse,
			[]string{"east"},
			[]string{"AmbiguousRevision: it has the revisions abc, new, old, prod, stage and none", "--revision", "istioctl tag set default"},
		},
		"a revision that is not there": {
			"RevisionNotFound", func(in *Input) { in.Subjects[1].Spec.Revision = "x" }, Refuse,
			[]string{"west"},
			[]string{`no istiod of revision or tag "x"; it has default`},
		},
		"no istiod": {
			"RevisionNotFound", func(in *Input) { in.Subjects[1].Facts.ControlPlanes = nil }, Refuse,
			[]string{"west"},
			[]string{"no istiod is installed in namespace istio-system", "istioctl install --context ctx-west", "clusterName=west"},
		},
		"Istio's CRDs": {check: "MissingCRDs", change: func(*Input) {}},
		"no CRDs": {
			"MissingCRDs", func(in *Input) { in.Subjects[0].Facts.HasIstioCRDs = false }, Refuse,
			[]string{"east"},
			[]string{"networking.istio.io is not served", "helm install istio-base"},
		},
		"no CRDs where there is no istiod": {check: "MissingCRDs", change: func(in *Input) {
			in.Subjects[0].Facts.HasIstioCRDs, in.Subjects[0].Facts.ControlPlanes = false, nil
		}},
		"two minors apart": {check: "IstioVersionSkew", change: func(in *Input) { plane(in, 0).Version = "1.29.0-alpha.x" }},
		"three minors apart": {
			"IstioVersionSkew", func(in *Input) { plane(in, 0).Version = "v1.28.9" }, Refuse, both(),
			[]string{"east: v1.28.9, west: 1.31.1", "upgrade the oldest"},
		},
		"a version nobody knows": {
			"IstioVersionSkew", func(in *Input) { plane(in, 0).Version = "latest" }, Warn, both(),
			[]string{"east: latest, west: 1.31.1"},
		},
	})
}

func TestClusterIDs(t *testing.T) {
	t.Parallel()
	secret := func(in *Input, key member.RemoteKey) {
		in.Subjects[0].Facts.RemoteSecrets = []member.RemoteSecret{{Namespace: "istio-system", Name: "s", Keys: []member.RemoteKey{key}}}
	}
	runTable(t, map[string]one{
		"all agree":                        {check: "ClusterIDMismatch", change: func(*Input) {}},
		"an injector that says nothing":    {check: "ClusterIDMismatch", change: func(in *Input) { plane(in, 0).Injector.ClusterName = "" }},
		"an injector that cannot be found": {check: "ClusterIDMismatch", change: func(in *Input) { plane(in, 0).Injector = member.Injector{ClusterName: "x"} }},
		"the injector disagrees": {
			"ClusterIDMismatch", func(in *Input) { plane(in, 0).Injector.ClusterName = "x" }, Refuse,
			[]string{"east"},
			[]string{`istiod's cluster ID is "east", but its injector gives "x"`, "clusterName=east"},
		},
		"live proxies disagree": {
			"ClusterIDMismatch", func(in *Input) { in.Subjects[0].Facts.Proxies[0].ClusterID = "Kubernetes" }, Refuse,
			[]string{"east"},
			[]string{`3 live proxies run with cluster ID "Kubernetes", istiod says "east" (for example shop/a)`, "kubectl -n shop rollout restart deployment (shop/a)"},
		},
		"a secret by the cluster's ID": {check: "RemoteSecretKeyMismatch", change: func(in *Input) {
			secret(in, member.RemoteKey{ClusterID: "west", CAHash: "ca-west"})
		}},
		"a secret by another name": {
			"RemoteSecretKeyMismatch", func(in *Input) {
				plane(in, 1).ClusterID = "Kubernetes"
				secret(in, member.RemoteKey{ClusterID: "west", CAHash: "ca-west"})
			}, Refuse, both(),
			[]string{`Secret istio-system/s in east leads to west under the key "west", but that cluster's ID is "Kubernetes"`, "kubectl --context ctx-east -n istio-system delete secret s"},
		},
		"a secret that cannot be read": {check: "RemoteSecretKeyMismatch", change: func(in *Input) {
			secret(in, member.RemoteKey{ClusterID: "x", Problem: "it is no kubeconfig"})
		}},
		"one authority for all clusters": {check: "RemoteSecretKeyMismatch", change: func(in *Input) {
			in.Subjects[1].Facts.CAHash = "ca-east"
			secret(in, member.RemoteKey{ClusterID: "west", CAHash: "ca-east"})
		}},
	})
}

func TestMeshes(t *testing.T) {
	t.Parallel()
	noName := func(in *Input) { in.Mesh.Metadata.Name = "" }
	runTable(t, map[string]one{
		"the mesh asked for":         {check: "MeshIDMismatch", change: func(*Input) {}},
		"nobody asks, all say one":   {check: "MeshIDMismatch", change: noName},
		"nobody asks, nobody says":   {check: "MeshIDMismatch", change: func(in *Input) { noName(in); withoutMesh(in, 0); withoutMesh(in, 1) }},
		"no istiod has no mesh here": {check: "MeshIDMismatch", change: func(in *Input) { in.Subjects[0].Facts.ControlPlanes = nil }},
		"another mesh is asked for": {
			"MeshIDMismatch", func(in *Input) { in.Mesh.Metadata.Name = "mesh-2" }, Refuse, both(),
			[]string{`wanted is "mesh-2": east: mesh-1, west: mesh-1`, "values.global.meshID"},
		},
		"they differ": {
			"MeshIDMismatch", func(in *Input) { noName(in); plane(in, 0).MeshID = "mesh-0" }, Refuse, both(),
			[]string{"wanted is one of them: east: mesh-0, west: mesh-1"},
		},
		"one says nothing": {
			"MeshIDMismatch", func(in *Input) { noName(in); withoutMesh(in, 1) }, Refuse, both(),
			[]string{"east: mesh-1, west: (none)"},
		},
		"live proxies are of another": {
			"MeshIDMismatch", func(in *Input) { in.Subjects[1].Facts.Proxies[0].MeshID = "mesh-0" }, Refuse,
			[]string{"west"},
			[]string{`mesh ID "mesh-0", istiod says "mesh-1"`},
		},
		"one trust domain": {check: "TrustDomainMismatch", change: func(*Input) {}},
		"aliases on both sides": {check: "TrustDomainMismatch", change: func(in *Input) {
			plane(in, 0).TrustDomain, plane(in, 0).TrustDomainAliases = "east.example", []string{"cluster.local"}
			plane(in, 1).TrustDomainAliases = []string{"other", "east.example"}
		}},
		"an alias on one side": {
			"TrustDomainMismatch", func(in *Input) {
				plane(in, 0).TrustDomain, plane(in, 0).TrustDomainAliases = "east.example", []string{"cluster.local"}
			}, Refuse, both(),
			[]string{"east: east.example, west: cluster.local", "trustDomainAliases"},
		},
	})
}

func withoutMesh(in *Input, index int) {
	plane(in, index).MeshID = ""
	in.Subjects[index].Facts.Proxies[0].MeshID = "cluster.local"
}
