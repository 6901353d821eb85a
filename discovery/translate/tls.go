package translate

import (
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/eastwest-mesh/eastwest/discovery/model"
)

// Names of the secrets that a gateway asks for.
const (
	// OwnSecret is the gateway's certificate with its key; it is no part of a Set.
	OwnSecret = "own"
	// RootsSecret is the mesh's roots; it is no part of a Set.
	RootsSecret = "roots"
	// ClientsSecret is who may enter; services that admit fewer have their own. They
	// hold nothing private.
	ClientsSecret = "clients"
)

// clientsSecretOf is the name of the secret of a service that admits fewer.
func clientsSecretOf(key model.ServiceKey) string { return ClientsSecret + "|" + key.String() }

// What is agreed on within TLS, by ALPN.
const (
	alpnHTTP  = "mesh-h2" // requests, balanced each on its own
	alpnCheck = "mesh-hc" // health checks
	alpnIstio = "istio"   // bytes
)

// downstream is TLS as the server. Who may enter is in a secret and not here: a
// chain that changes closes its connections after the drain time, so that every
// member that joined would cut what all the others have open.
func downstream(clients string, alpn []string) *corev3.TransportSocket {
	common := common(alpn)
	common.ValidationContextType = &tlsv3.CommonTlsContext_ValidationContextSdsSecretConfig{
		ValidationContextSdsSecretConfig: secret(clients),
	}
	return socket(&tlsv3.DownstreamTlsContext{RequireClientCertificate: wrapperspb.Bool(true), CommonTlsContext: common})
}

// upstream is TLS as the client of a gateway that has the identity.
func upstream(identity, sni, alpn string) *corev3.TransportSocket {
	common := common([]string{alpn})
	common.ValidationContextType = &tlsv3.CommonTlsContext_CombinedValidationContext{
		CombinedValidationContext: &tlsv3.CommonTlsContext_CombinedCertificateValidationContext{
			DefaultValidationContext: &tlsv3.CertificateValidationContext{
				MatchTypedSubjectAltNames: matchers([]string{identity}),
			},
			ValidationContextSdsSecretConfig: secret(RootsSecret),
		},
	}
	return socket(&tlsv3.UpstreamTlsContext{Sni: sni, CommonTlsContext: common})
}

// common is what both sides share. Two of our gateways speak TLS 1.3; 1.2 is let
// in because a peer under Istio's FIPS policy speaks nothing newer, and what 1.3
// would add on a link where both certificates are pinned is to hide them.
func common(alpn []string) *tlsv3.CommonTlsContext {
	return &tlsv3.CommonTlsContext{
		TlsParams: &tlsv3.TlsParameters{
			TlsMinimumProtocolVersion: tlsv3.TlsParameters_TLSv1_2,
			TlsMaximumProtocolVersion: tlsv3.TlsParameters_TLSv1_3,
		},
		AlpnProtocols:                  alpn,
		TlsCertificateSdsSecretConfigs: []*tlsv3.SdsSecretConfig{secret(OwnSecret)},
	}
}

// clientsSecret is what a certificate must be to enter: issued under the mesh's
// roots, to one of the identities. There must be one, as none would mean any.
func clientsSecret(name string, identities []string, options Options) *tlsv3.Secret {
	return &tlsv3.Secret{Name: name, Type: &tlsv3.Secret_ValidationContext{
		ValidationContext: &tlsv3.CertificateValidationContext{
			TrustedCa:                 &corev3.DataSource{Specifier: &corev3.DataSource_InlineBytes{InlineBytes: options.Roots}},
			MatchTypedSubjectAltNames: matchers(identities),
		},
	}}
}

// matchers want one of some SPIFFE IDs, exactly.
func matchers(identities []string) []*tlsv3.SubjectAltNameMatcher {
	names := make([]*tlsv3.SubjectAltNameMatcher, len(identities))
	for i, identity := range identities {
		names[i] = &tlsv3.SubjectAltNameMatcher{
			SanType: tlsv3.SubjectAltNameMatcher_URI,
			Matcher: &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Exact{Exact: identity}},
		}
	}
	return names
}

func secret(name string) *tlsv3.SdsSecretConfig {
	return &tlsv3.SdsSecretConfig{Name: name, SdsConfig: ads}
}

// ads says that a resource comes on the one stream to the agent.
var ads = &corev3.ConfigSource{
	ResourceApiVersion:    corev3.ApiVersion_V3,
	ConfigSourceSpecifier: &corev3.ConfigSource_Ads{Ads: &corev3.AggregatedConfigSource{}},
}

func socket(context proto.Message) *corev3.TransportSocket {
	return &corev3.TransportSocket{
		Name:       "envoy.transport_sockets.tls",
		ConfigType: &corev3.TransportSocket_TypedConfig{TypedConfig: pack(context)},
	}
}

// pack wraps a message as the configuration of an extension.
func pack(message proto.Message) *anypb.Any {
	return &anypb.Any{
		TypeUrl: "type.googleapis.com/" + string(message.ProtoReflect().Descriptor().FullName()),
		Value:   marshal(message),
	}
}

// inDomain reports whether an identity is a SPIFFE ID of a trust domain. It is
// compared with the slash: spiffe://mesh.evil/ begins with spiffe://mesh, too.
func inDomain(identity, domain string) bool {
	path, found := strings.CutPrefix(identity, "spiffe://"+domain+"/")
	for i := range len(path) {
		if path[i] <= ' ' || path[i] > '~' {
			return false
		}
	}
	return found && path != "" && domain != ""
}
