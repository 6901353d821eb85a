package preflight

import (
	"fmt"
	"net/netip"

	"github.com/eastwest-mesh/eastwest/installer/member"
)

func networkMissing(in Input) []Finding {
	var findings []Finding
	for _, subject := range in.Subjects {
		plane := subject.Plane()
		if plane == nil || !plane.Injector.Found || plane.Injector.Network != "" {
			continue
		}
		name := subject.Network()
		if name == "" {
			name = "net-" + subject.Name
		}
		findings = append(findings, Finding{
			Severity: Refuse, Members: []string{subject.Name},
			Detail: "its istiod gives proxies no network, so peers would be sent to pod addresses they cannot reach",
			Fix: fmt.Sprintf("reinstall revision %s with --set values.global.network=%s, label the namespace: kubectl --context %s label namespace %s %s=%s --overwrite, then restart istiod and the workloads",
				plane.Revision, name, subject.Spec.Context, in.Mesh.Spec.IstioNamespace, member.NetworkLabel, name),
		})
	}
	return findings
}

func networkMismatch(in Input) []Finding {
	var findings []Finding
	for _, subject := range in.Subjects {
		plane := subject.Plane()
		if plane == nil || plane.Injector.Network == "" {
			continue
		}
		told := plane.Injector.Network
		add := func(detail, fix string) {
			findings = append(findings, Finding{Severity: Refuse, Members: []string{subject.Name}, Detail: detail, Fix: fix})
		}
		if want := subject.Spec.Network; want != "" && want != told {
			add(fmt.Sprintf("network %q is asked for, but its istiod gives proxies %q", want, told),
				fmt.Sprintf("leave out --network, or reinstall with --set values.global.network=%s and restart the workloads", want))
		}
		if label := subject.Facts.NamespaceNetwork; label != "" && label != told {
			add(fmt.Sprintf("namespace %s is labelled with network %q, but its istiod gives proxies %q", in.Mesh.Spec.IstioNamespace, label, told),
				fmt.Sprintf("kubectl --context %s label namespace %s %s=%s --overwrite", subject.Spec.Context, in.Mesh.Spec.IstioNamespace, member.NetworkLabel, told))
		}
		for _, gateway := range subject.Facts.Gateways {
			if gateway.Network != "" && gateway.Network != told {
				add(fmt.Sprintf("gateway Service %s/%s carries network %q, but its cluster's pods are on %q", gateway.Namespace, gateway.Name, gateway.Network, told),
					fmt.Sprintf("kubectl --context %s -n %s label service %s %s=%s --overwrite", subject.Spec.Context, gateway.Namespace, gateway.Name, member.NetworkLabel, told))
			}
		}
		findings = append(findings, staleProxies(subject, "network", told,
			func(p member.ProxyIdentity) string { return p.Network })...)
	}
	return findings
}

// SharedNetworks lists the pairs of members that have one network name.
func SharedNetworks(subjects []Subject) [][2]Subject {
	var pairs [][2]Subject
	for i, a := range subjects {
		for _, b := range subjects[i+1:] {
			if a.Network() != "" && a.Network() == b.Network() {
				pairs = append(pairs, [2]Subject{a, b})
			}
		}
	}
	return pairs
}

func sameNetwork(in Input) []Finding {
	if in.ForceSameNetwork {
		return nil
	}
	var findings []Finding
	for _, pair := range SharedNetworks(in.Subjects) {
		a, b := pair[0], pair[1]
		if in.FlatProved[PairKey(a.Name, b.Name)] {
			continue
		}
		findings = append(findings, Finding{
			Severity: Refuse, Members: []string{a.Name, b.Name},
			Detail: fmt.Sprintf("both are on network %q, but a pod of one cannot reach a pod of the other, so no gateway would be used and every call across would time out", a.Network()),
			Fix:    "give each a network of its own: " + otherNetwork(in, b) + " (--force-same-network if they do reach each other)",
		})
	}
	return findings
}

// otherNetwork is what puts a member on a network of its own.
func otherNetwork(in Input, of Subject) string {
	if of.Plane() == nil {
		return fmt.Sprintf("--network %[1]s=net-%[1]s", of.Name)
	}
	return fmt.Sprintf("in %[1]s reinstall istiod and its gateway with --set values.global.network=net-%[1]s, label namespace %[2]s with %[3]s=net-%[1]s and restart the workloads",
		of.Name, in.Mesh.Spec.IstioNamespace, member.NetworkLabel)
}

func podOverlap(in Input) []Finding {
	var findings []Finding
	for _, pair := range SharedNetworks(in.Subjects) {
		a, b := pair[0], pair[1]
		for _, left := range a.Facts.PodCIDRs {
			for _, right := range b.Facts.PodCIDRs {
				if overlap(left, right) {
					findings = append(findings, Finding{
						Severity: Refuse, Members: []string{a.Name, b.Name},
						Detail: fmt.Sprintf("they share network %q, but pod addresses overlap: %s and %s", a.Network(), left, right),
						Fix:    "put them on networks of their own",
					})
				}
			}
		}
	}
	return findings
}

func overlap(a, b string) bool {
	left, errLeft := netip.ParsePrefix(a)
	right, errRight := netip.ParsePrefix(b)
	return errLeft == nil && errRight == nil && left.Overlaps(right)
}
