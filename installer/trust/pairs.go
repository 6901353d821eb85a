package trust

import (
	"crypto/x509"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// mutual reports whether every member has ISTIO_MULTIROOT_MESH and trusts the
// root that every other signs under. What cannot be seen is not assumed.
func mutual(states map[string]State, now time.Time) bool {
	for _, a := range states {
		if !a.MultiRoot || !a.Loaded || a.plugged.signer == nil {
			return false
		}
		for _, b := range states {
			if !b.trusts(a, now) {
				return false
			}
		}
	}
	return true
}

// trusts reports whether the other's signer leads to a root that s has too.
func (s State) trusts(other State, now time.Time) bool {
	known := append(fingerprints(s.Roots), fingerprints(s.PeerRoots)...)
	var shared []*x509.Certificate
	for _, root := range other.plugged.roots {
		if slices.Contains(known, fingerprint(root)) {
			shared = append(shared, root)
		}
	}
	return len(shared) > 0 && verifyChain(other.plugged.signer, other.plugged.chain, shared, now) == nil
}

// compareDomains accepts different trust domains only where each is an alias of
// the other.
func compareDomains(states map[string]State) []Finding {
	names := slices.Sorted(maps.Keys(states))
	differ := map[string]bool{}
	for i, a := range names {
		for _, b := range names[i+1:] {
			if !states[a].accepts(states[b]) || !states[b].accepts(states[a]) {
				differ[a], differ[b] = true, true
			}
		}
	}
	if len(differ) == 0 {
		return nil
	}
	var parts []string
	for _, name := range names {
		parts = append(parts, name+" "+states[name].TrustDomain)
	}
	return []Finding{{
		Severity: Refusal, Code: CodeTrustDomain, Clusters: slices.Sorted(maps.Keys(differ)), Rows: Table(states),
		Message: "different trust domains: " + strings.Join(parts, ", "),
		Fix:     "set meshConfig.trustDomain to one value, or list each other's in meshConfig.trustDomainAliases on both sides, and restart the workloads",
	}}
}

func (s State) accepts(other State) bool {
	return s.TrustDomain == other.TrustDomain || slices.Contains(s.TrustDomainAliases, other.TrustDomain)
}

// checkEnds warns of certificates whose end is near, and refuses a CA that can
// sign nothing any more.
func checkEnds(name string, s State, now time.Time) []Finding {
	var findings []Finding
	expired := 0
	for _, cert := range s.certificates() {
		finding := Finding{Severity: Warning, Clusters: []string{name}, Code: CodeExpiresSoon, Fix: "renew it: eastwest trust init and trust apply, or your own CA's way"}
		day := cert.NotAfter.Format(time.DateOnly)
		switch {
		case !now.Before(cert.NotAfter):
			finding.Code = CodeExpired
			finding.Message = fmt.Sprintf("cluster %s: %s (%s) expired on %s", name, cert.Subject, cert.Fingerprint.Short(), day)
			if s.isRoot(cert) {
				expired++
			}
			if s.Signer != nil && s.Signer.Fingerprint == cert.Fingerprint || expired == len(s.Roots) && expired > 0 {
				finding.Severity = Refusal
			}
		case now.Add(ExpiryNotice).After(cert.NotAfter):
			finding.Message = fmt.Sprintf("cluster %s: %s (%s) expires on %s", name, cert.Subject, cert.Fingerprint.Short(), day)
		default:
			continue
		}
		findings = append(findings, finding)
	}
	return findings
}

func (s State) isRoot(cert Certificate) bool {
	return slices.ContainsFunc(s.Roots, func(c Certificate) bool { return c.Fingerprint == cert.Fingerprint })
}

func notLoaded(name string) Finding {
	return Finding{
		Severity: Warning, Code: CodeNotLoaded, Clusters: []string{name},
		Message: fmt.Sprintf("cluster %s: Secret %s holds another root than istiod gives out", name, SecretName),
		Fix:     "restart istiod, then every workload with a sidecar and every gateway",
	}
}
