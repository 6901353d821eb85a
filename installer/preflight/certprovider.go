package preflight

import "fmt"

// WantedCertProvider is the pilotCertProvider which the installation guide asks
// for on a platform with a CA: VMware and bare metal with a managed CA use
// "kubernetes", everything else "istiod". managedCA is true for Mesh CA and CA
// Service.
func WantedCertProvider(platform string, managedCA bool) string {
	onPremises := platform == "vmware" || platform == "baremetal"
	if onPremises && managedCA {
		return "kubernetes"
	}
	return "istiod"
}

// certProvider compares what the injector gives to gateways with the guide's
// matrix. The injector decides; a difference is only worth a warning.
func certProvider(in Input) []Finding {
	var findings []Finding
	for _, subject := range in.Subjects {
		plane := subject.Plane()
		if plane == nil || plane.Injector.PilotCertProvider == "" {
			continue
		}
		platform := subject.Spec.Platform
		if platform == "" {
			platform = subject.Facts.Platform
		}
		want := WantedCertProvider(platform, ManagedCA(plane.Env))
		if got := plane.Injector.PilotCertProvider; got != want {
			findings = append(findings, Finding{
				Severity: Warn, Members: []string{subject.Name},
				Detail: fmt.Sprintf("pilotCertProvider is %q, the guide asks for %q on this platform with this CA", got, want),
				Fix:    "reinstall istiod with --set values.global.pilotCertProvider=" + want + " if proxies cannot verify istiod",
			})
		}
	}
	return findings
}

// ManagedCA reports whether istiod's environment names Google's Mesh CA or CA
// Service as issuer.
func ManagedCA(env map[string]string) bool {
	return env["CA_PROVIDER"] == "GoogleCA" || env["CA_PROVIDER"] == "GoogleCAS" ||
		env["EXTERNAL_CA"] == "ISTIOD_RA_CAS_API"
}
