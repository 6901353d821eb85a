package clusterdns

import corev1 "k8s.io/api/core/v1"

// ownerOf is who would take back what is written into a ConfigMap; nil where that is
// nobody.
func ownerOf(object *corev1.ConfigMap) *Unsupported {
	for _, entry := range object.ManagedFields {
		if entry.Manager == "eks" {
			return &Unsupported{
				Owner: "the EKS add-on coredns",
				Steps: []string{"add the server to the add-on's configuration: aws eks update-addon --addon-name coredns --configuration-values, key corefile"},
			}
		}
	}
	switch object.Labels["addonmanager.kubernetes.io/mode"] {
	case "Reconcile":
		return &Unsupported{
			Owner: "the cluster's add-on manager",
			Steps: []string{"add the server where the add-on's manifest is kept"},
		}
	}
	if release := object.Annotations["meta.helm.sh/release-name"]; release != "" {
		return &Unsupported{
			Owner: "the Helm release " + release,
			Steps: []string{"add the server to the release's values (for the chart coredns: servers; on RKE2: a HelmChartConfig named rke2-coredns)"},
		}
	}
	return nil
}

func unknown() *Unsupported {
	return &Unsupported{
		Owner: "something that is neither CoreDNS, kube-dns nor OpenShift's operator",
		Steps: []string{"have it forward the zone to the server"},
	}
}
