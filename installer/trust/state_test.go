package trust

import (
	"bytes"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

func TestReadKind(t *testing.T) {
	t.Parallel()
	material := made(t, "m", "east")
	in := material.Intermediates["east"]
	own := selfSigned(t)
	change := func(o Objects, edit func(*Objects)) Objects { edit(&o); return o }
	env := func(o Objects, name, value string) Objects {
		return change(o, func(o *Objects) { o.Env = map[string]string{name: value} })
	}
	for name, tc := range map[string]struct {
		objects  Objects
		kind     Kind
		provider string
		roots    int
	}{
		"nothing":                  {Objects{}, Unknown, "", 0},
		"only the ConfigMap":       {Objects{RootPEM: in.Root}, Unknown, "", 1},
		"istiod's own CA":          {own, SelfSigned, "", 1},
		"cacerts":                  {plugged(in), PluggedIn, "", 1},
		"cacerts beside its own":   {change(plugged(in), func(o *Objects) { o.SelfSigned = true }), PluggedIn, "", 1},
		"cacerts before a restart": {change(plugged(in), func(o *Objects) { o.RootPEM = nil }), PluggedIn, "", 1},
		"cacerts made by istiod": {change(plugged(in), func(o *Objects) {
			o.CACerts = PublicData(CACerts(in, ""))
			o.CACerts[generatedKey] = nil
		}), SelfSigned, "", 1},
		"cacerts with a root only": {change(own, func(o *Objects) { o.CACerts = map[string][]byte{rootCertKey: in.Root} }), SelfSigned, "", 1},
		"cacerts of kubernetes.io/tls": {Objects{RootPEM: in.Root, CACerts: map[string][]byte{
			tlsCertKey: in.Chain, tlsRootKey: in.Root,
		}}, PluggedIn, "", 1},
		"Mesh CA by its address":    {change(own, func(o *Objects) { o.CAAddress = "meshca.googleapis.com:443" }), MeshCA, "meshca.googleapis.com:443", 0},
		"Mesh CA by the provider":   {Objects{ProxyMetadata: map[string]string{"CA_PROVIDER": "GoogleCA"}}, MeshCA, "", 0},
		"Mesh CA in proxy metadata": {Objects{ProxyMetadata: map[string]string{"CA_ADDR": "meshca.googleapis.com:443"}}, MeshCA, "meshca.googleapis.com:443", 0},
		"CA Service by istiod": {change(own, func(o *Objects) {
			o.Env = map[string]string{"EXTERNAL_CA": "ISTIOD_RA_CAS_API", "CA_NAME": "projects/p/caPools/c"}
		}), CAService, "projects/p/caPools/c", 0},
		"CA Service by proxies": {Objects{ProxyMetadata: map[string]string{"CA_PROVIDER": "GoogleCAS", "CA_ADDR": "projects/p/locations/l/caPools/c"}}, CAService, "projects/p/locations/l/caPools/c", 0},
		"istio-csr":             {change(own, func(o *Objects) { o.CAAddress = "cert-manager-istio-csr.cert-manager.svc:443" }), External, "cert-manager-istio-csr.cert-manager.svc:443", 1},
		"a Kubernetes signer": {change(own, func(o *Objects) {
			o.Env = map[string]string{"EXTERNAL_CA": "ISTIOD_RA_KUBERNETES_API", "K8S_SIGNER": "s.io/x"}
		}), External, "ISTIOD_RA_KUBERNETES_API s.io/x", 1},
		"no CA in istiod":                      {env(own, "ENABLE_CA_SERVER", "false"), External, "", 1},
		"a Citadel provider":                   {change(own, func(o *Objects) { o.ProxyMetadata = map[string]string{"CA_PROVIDER": "Citadel"} }), SelfSigned, "", 1},
		"istiod as its own address":            {change(own, func(o *Objects) { o.CAAddress = "istiod-asm-1.istio-system.svc:15012" }), SelfSigned, "", 1},
		"istiod with a Kubernetes certificate": {env(own, "PILOT_CERT_PROVIDER", "kubernetes"), SelfSigned, "", 0},
		"the same, with cacerts":               {env(plugged(in), "PILOT_CERT_PROVIDER", "kubernetes"), PluggedIn, "", 1},
		"the same, with the CA's own Secret":   {change(env(own, "PILOT_CERT_PROVIDER", "kubernetes"), func(o *Objects) { o.SelfSignedPEM = in.Root }), SelfSigned, "", 1},
		"Mesh CA with roots of a proxy": {change(own, func(o *Objects) {
			o.CAAddress, o.ProxyRoots = "meshca.googleapis.com:443", slices.Concat(in.Root, in.Cert)
		}), MeshCA, "meshca.googleapis.com:443", 2},
		"a bundle with one root twice counts it once":        {change(own, func(o *Objects) { o.RootPEM = slices.Concat(in.Root, in.Root) }), SelfSigned, "", 1},
		"a ConfigMap that holds no certificate is no answer": {Objects{RootPEM: []byte("x"), SelfSigned: true}, SelfSigned, "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := Read(tc.objects)
			if got.Kind != tc.kind || got.Provider != tc.provider || len(got.Roots) != tc.roots {
				t.Errorf("got %s %q with %d roots (%v); want %s %q with %d", got.Kind, got.Provider, len(got.Roots), got.Unreadable, tc.kind, tc.provider, tc.roots)
			}
			if got.TrustDomain != "cluster.local" {
				t.Errorf("trust domain %q", got.TrustDomain)
			}
		})
	}
}

func TestReadSeesAPendingRestart(t *testing.T) {
	t.Parallel()
	in := made(t, "m", "east").Intermediates["east"]
	if state := Read(plugged(in)); !state.Loaded || len(state.Unreadable) != 0 || state.Signer == nil {
		t.Errorf("taken up: %+v", state)
	}
	pending := plugged(in)
	pending.RootPEM = selfSigned(t).RootPEM
	state := Read(pending)
	if state.Loaded || state.Roots[0].Fingerprint == Read(plugged(in)).Roots[0].Fingerprint {
		t.Errorf("not taken up: what istiod gives out counts: %+v", state)
	}
	if got := state.NotAfter(); got.IsZero() {
		t.Error("no end is known")
	}
}

func TestPublicDataHoldsNoKey(t *testing.T) {
	t.Parallel()
	in := made(t, "m", "east").Intermediates["east"]
	secret := CACerts(in, "")
	secret.Data["other"] = in.Key
	secret.Data[tlsKeyKey] = []byte("anything")
	public := PublicData(secret)
	if len(public) != 3 {
		t.Errorf("keys %v", public)
	}
	for name, data := range public {
		if bytes.Contains(data, []byte("PRIVATE")) {
			t.Errorf("%s holds a key", name)
		}
	}
	if PublicData(nil) != nil {
		t.Error("an absent Secret is nil")
	}
}

func TestCACerts(t *testing.T) {
	t.Parallel()
	in := made(t, "m", "east").Intermediates["east"]
	got := CACerts(in, "")
	if got.Name != "cacerts" || got.Namespace != "istio-system" || got.Type != corev1.SecretTypeOpaque || got.Kind != "Secret" {
		t.Errorf("Secret %s/%s of type %s", got.Namespace, got.Name, got.Type)
	}
	for name, want := range map[string][]byte{
		"ca-cert.pem": in.Cert, "ca-key.pem": in.Key, "root-cert.pem": in.Root, "cert-chain.pem": slices.Concat(in.Cert, in.Root),
	} {
		if !bytes.Equal(got.Data[name], want) || len(want) == 0 {
			t.Errorf("%s is\n%s", name, got.Data[name])
		}
	}
	if CACerts(in, "istio-asm").Namespace != "istio-asm" {
		t.Error("the namespace is not taken")
	}
}
