package preflight

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/eastwest-mesh/eastwest/installer/member"
)

func duplicateCluster(in Input) []Finding {
	var findings []Finding
	byUID := groups(in.Subjects, func(s Subject) string { return string(s.Facts.UID) })
	for _, uid := range sortedKeys(byUID) {
		if members := byUID[uid]; len(members) > 1 {
			findings = append(findings, Finding{
				Severity: Refuse, Members: members,
				Detail: fmt.Sprintf("%s are the same cluster: the namespace kube-system has UID %s in each", strings.Join(members, " and "), uid),
				Fix:    "name each cluster once",
			})
		}
	}
	return findings
}

func revisionFound(in Input) []Finding {
	var findings []Finding
	for _, subject := range in.Subjects {
		if subject.Plane() != nil {
			continue
		}
		finding := Finding{Severity: Refuse, Members: []string{subject.Name}}
		known := strings.Join(subject.Facts.Revisions(), ", ")
		switch {
		case len(subject.Facts.ControlPlanes) == 0:
			finding.Detail = "no istiod is installed in namespace " + in.Mesh.Spec.IstioNamespace
			finding.Fix = fmt.Sprintf("install Istio there: istioctl install --context %s --set values.global.meshID=MESH --set values.global.multiCluster.clusterName=%s --set values.global.network=NETWORK; or join clusters without Istio with eastwest up", subject.Spec.Context, subject.Name)
		case subject.Spec.Revision == "":
			finding.Detail = "AmbiguousRevision: it has the revisions " + known + " and none of them is the default"
			finding.Fix = "name one with --revision, or make one the default: istioctl tag set default --revision REVISION"
		default:
			finding.Detail = fmt.Sprintf("it has no istiod of revision or tag %q; it has %s", subject.Spec.Revision, known)
			finding.Fix = "name one of those with --revision"
		}
		findings = append(findings, finding)
	}
	return findings
}

func missingCRDs(in Input) []Finding {
	var findings []Finding
	for _, subject := range in.Subjects {
		if !subject.Facts.HasIstioCRDs && len(subject.Facts.ControlPlanes) > 0 {
			findings = append(findings, Finding{
				Severity: Refuse, Members: []string{subject.Name},
				Detail: "the API group networking.istio.io is not served",
				Fix:    "install Istio's CRDs: helm install istio-base istio/base -n " + in.Mesh.Spec.IstioNamespace,
			})
		}
	}
	return findings
}

// maxSkew is how many minor versions istiods of one mesh may be apart.
// Source: Istio's policy for control and data planes of a mesh.
const maxSkew = 2

func versionSkew(in Input) []Finding {
	low, high, known := 1<<30, -1, true
	for _, subject := range in.Subjects {
		plane := subject.Plane()
		if plane == nil {
			return nil
		}
		minor, ok := minorOf(plane.Version)
		known = known && ok
		if ok {
			low, high = min(low, minor), max(high, minor)
		}
	}
	version := func(s Subject) string { return s.Plane().Version }
	if high-low > maxSkew {
		return []Finding{{
			Severity: Refuse, Members: names(in.Subjects),
			Detail: "Istio versions too far apart: " + table(in.Subjects, version),
			Fix:    "upgrade the oldest istiod first; at most two minor versions may lie between members",
		}}
	}
	if !known {
		return []Finding{{
			Severity: Warn, Members: names(in.Subjects),
			Detail: "Istio version not known everywhere: " + table(in.Subjects, version),
		}}
	}
	return nil
}

// minorOf is the minor number of a version "1.MINOR...".
func minorOf(version string) (int, bool) {
	parts := strings.SplitN(strings.TrimPrefix(version, "v"), ".", 3)
	if len(parts) < 2 || parts[0] != "1" {
		return 0, false
	}
	digits := strings.FieldsFunc(parts[1], func(r rune) bool { return r < '0' || r > '9' })
	if len(digits) == 0 {
		return 0, false
	}
	minor, err := strconv.Atoi(digits[0])
	return minor, err == nil
}

func clusterID(s Subject) string {
	if plane := s.Plane(); plane != nil {
		return plane.ClusterID
	}
	return ""
}

func duplicateClusterID(in Input) []Finding {
	var findings []Finding
	byID := groups(in.Subjects, clusterID)
	for _, id := range sortedKeys(byID) {
		members := byID[id]
		if len(members) < 2 {
			continue
		}
		findings = append(findings, Finding{
			Severity: Refuse, Members: members,
			Detail: fmt.Sprintf("their istiods all say that their cluster ID is %q, so each would take the others' endpoints for its own", id),
			Fix:    installFix("global.multiCluster.clusterName", members[1:]),
		})
	}
	return findings
}

// installFix tells which install value to give each member, one of its own.
func installFix(value string, members []string) string {
	parts := make([]string, len(members))
	for i, name := range members {
		parts[i] = fmt.Sprintf("in %s set --set values.%s=%s (helm: --set %s=%s)", name, value, name, value, name)
	}
	return strings.Join(parts, "; ") + "; then restart istiod and every workload with a sidecar there"
}

func clusterIDMismatch(in Input) []Finding {
	var findings []Finding
	for _, subject := range in.Subjects {
		plane := subject.Plane()
		if plane == nil {
			continue
		}
		if name := plane.Injector.ClusterName; plane.Injector.Found && name != "" && name != plane.ClusterID {
			findings = append(findings, Finding{
				Severity: Refuse, Members: []string{subject.Name},
				Detail: fmt.Sprintf("istiod's cluster ID is %q, but its injector gives %q to new proxies", plane.ClusterID, name),
				Fix:    fmt.Sprintf("reinstall revision %s with --set values.global.multiCluster.clusterName=%s, then restart the workloads", plane.Revision, plane.ClusterID),
			})
		}
		findings = append(findings, staleProxies(subject, "cluster ID", plane.ClusterID,
			func(p member.ProxyIdentity) string { return p.ClusterID })...)
	}
	return findings
}

// staleProxies finds live proxies that were told something else than istiod
// would tell them today.
func staleProxies(subject Subject, what, want string, value func(member.ProxyIdentity) string) []Finding {
	var findings []Finding
	for _, proxy := range subject.Facts.Proxies {
		got := value(proxy)
		if got == want || got == "" && want == "" {
			continue
		}
		findings = append(findings, Finding{
			Severity: Refuse, Members: []string{subject.Name},
			Detail: fmt.Sprintf("%d live proxies run with %s %q, istiod says %q (for example %s)", proxy.Count, what, got, want, proxy.Example),
			Fix:    "restart them: " + restarts(proxy.Workloads),
		})
	}
	return findings
}

func restarts(workloads []string) string {
	byNamespace := map[string]bool{}
	for _, workload := range workloads {
		namespace, _, _ := strings.Cut(workload, "/")
		byNamespace[namespace] = true
	}
	var commands []string
	for _, namespace := range sortedKeys(byNamespace) {
		commands = append(commands, "kubectl -n "+namespace+" rollout restart deployment")
	}
	return strings.Join(commands, "; ") + " (" + strings.Join(workloads, ", ") + ")"
}

// remoteKeyMismatch finds a remote secret that leads to a member but is keyed by
// another name than that member's cluster ID.
func remoteKeyMismatch(in Input) []Finding {
	var findings []Finding
	for _, consumer := range in.Subjects {
		for _, secret := range consumer.Facts.RemoteSecrets {
			for _, key := range secret.Keys {
				producer, ok := leadsTo(in.Subjects, key)
				if !ok || clusterID(producer) == key.ClusterID || clusterID(producer) == "" {
					continue
				}
				findings = append(findings, Finding{
					Severity: Refuse, Members: []string{consumer.Name, producer.Name},
					Detail: fmt.Sprintf("Secret %s/%s in %s leads to %s under the key %q, but that cluster's ID is %q",
						secret.Namespace, secret.Name, consumer.Name, producer.Name, key.ClusterID, clusterID(producer)),
					Fix: fmt.Sprintf("delete it and run this again: kubectl --context %s -n %s delete secret %s", consumer.Spec.Context, secret.Namespace, secret.Name),
				})
			}
		}
	}
	return findings
}

// leadsTo is the member a remote key points at: the one whose API server has the
// authority that the key trusts. Where several have it, that tells nothing.
func leadsTo(subjects []Subject, key member.RemoteKey) (found Subject, ok bool) {
	for _, subject := range subjects {
		if key.CAHash == "" || key.CAHash != subject.Facts.CAHash {
			continue
		}
		if ok {
			return Subject{}, false
		}
		found, ok = subject, true
	}
	return found, ok
}

func meshIDMismatch(in Input) []Finding {
	meshID := func(s Subject) string {
		if plane := s.Plane(); plane != nil {
			return plane.MeshID
		}
		return ""
	}
	want := in.Mesh.Metadata.Name
	values := groups(in.Subjects, meshID)
	if want == "" && len(values) == 1 {
		for value := range values {
			want = value
		}
	}
	differ := len(values) > 1
	for _, subject := range in.Subjects {
		if subject.Plane() != nil && meshID(subject) != want {
			differ = true
		}
	}
	if differ {
		wanted := "one of them"
		if in.Mesh.Metadata.Name != "" {
			wanted = fmt.Sprintf("%q", in.Mesh.Metadata.Name)
		}
		return []Finding{{
			Severity: Refuse, Members: names(in.Subjects),
			Detail: "the istiods are not of one mesh, wanted is " + wanted + ": " + table(in.Subjects, meshID),
			Fix:    "reinstall with --set values.global.meshID=MESH_ID, the same in every cluster, then restart istiod and the workloads",
		}}
	}
	var findings []Finding
	for _, subject := range in.Subjects {
		if subject.Plane() != nil {
			findings = append(findings, staleProxies(subject, "mesh ID", want,
				func(p member.ProxyIdentity) string { return orDefault(p.MeshID, subject.Plane().TrustDomain, want) })...)
		}
	}
	return findings
}

// orDefault reads a proxy's mesh ID: without one istiod gives it the trust
// domain, which is no mismatch where no mesh ID is wanted.
func orDefault(got, trustDomain, want string) string {
	if want == "" && got == trustDomain {
		return ""
	}
	return got
}

func trustDomainMismatch(in Input) []Finding {
	domain := func(s Subject) string {
		if plane := s.Plane(); plane != nil {
			return plane.TrustDomain
		}
		return ""
	}
	for _, a := range in.Subjects {
		for _, b := range in.Subjects {
			if domain(a) == "" || domain(b) == "" || domain(a) == domain(b) {
				continue
			}
			if !slices.Contains(a.Plane().TrustDomainAliases, domain(b)) {
				return []Finding{{
					Severity: Refuse, Members: names(in.Subjects),
					Detail: "trust domains differ and are not aliases of each other: " + table(in.Subjects, domain),
					Fix:    "set one meshConfig.trustDomain in all, or list the others' in meshConfig.trustDomainAliases of each",
				}}
			}
		}
	}
	return nil
}
