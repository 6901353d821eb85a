package trust

import (
	"slices"
	"strings"
)

// Kind says which CA signs the certificates of a member's workloads.
type Kind string

const (
	// SelfSigned is the CA that istiod made for itself.
	SelfSigned Kind = "self-signed"
	// PluggedIn is the CA in Secret cacerts.
	PluggedIn Kind = "plugged-in"
	// MeshCA is Google's Mesh CA.
	MeshCA Kind = "mesh-ca"
	// CAService is Google's Certificate Authority Service.
	CAService Kind = "ca-service"
	// External is any other CA than istiod: istio-csr, a Kubernetes signer.
	External Kind = "external"
	// Unknown is a member of which no CA can be seen.
	Unknown Kind = "unknown"
)

// Istiod reports whether istiod itself signs.
func (k Kind) Istiod() bool { return k == SelfSigned || k == PluggedIn }

// kind decides who signs, from what istiod and the proxies were told.
func (in Objects) kind() (Kind, string) {
	address := in.CAAddress
	if address == "" {
		address = in.ProxyMetadata["CA_ADDR"]
	}
	provider, external := in.ProxyMetadata["CA_PROVIDER"], in.Env["EXTERNAL_CA"]
	generated := hasKey(in.CACerts, generatedKey)
	switch {
	case external == "ISTIOD_RA_CAS_API":
		return CAService, in.Env["CA_NAME"]
	case provider == "GoogleCAS" || strings.Contains(address, "privateca.googleapis.com") || strings.Contains(address, "/caPools/"):
		return CAService, address
	case provider == "GoogleCA" && address == "" || strings.Contains(address, "meshca.googleapis.com"):
		return MeshCA, address
	case external != "":
		return External, external + signerSuffix(in.Env["K8S_SIGNER"])
	case address != "" && !isIstiod(address):
		return External, address
	case isFalse(in.Env["ENABLE_CA_SERVER"]):
		return External, ""
	case hasKey(in.CACerts, caCertKey, tlsCertKey) && !generated:
		return PluggedIn, ""
	case in.SelfSigned || generated:
		return SelfSigned, ""
	}
	return Unknown, ""
}

// isIstiod reports whether a CA address is that of an istiod in the cluster.
func isIstiod(address string) bool {
	host, _, _ := strings.Cut(strings.TrimPrefix(address, "https://"), ".")
	host, _, _ = strings.Cut(host, ":")
	return host == "istiod" || strings.HasPrefix(host, "istiod-")
}

func signerSuffix(signer string) string {
	if signer == "" {
		return ""
	}
	return " " + signer
}

func hasKey(data map[string][]byte, names ...string) bool {
	return slices.ContainsFunc(names, func(name string) bool { _, found := data[name]; return found })
}

func isTrue(value string) bool  { return strings.EqualFold(value, "true") || value == "1" }
func isFalse(value string) bool { return strings.EqualFold(value, "false") || value == "0" }
