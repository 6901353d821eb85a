package publish

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"
)

// TLS is how the server proves itself and whom it believes. The functions are
// asked at every handshake, so that what is rotated is used at once; connections
// that exist go on.
type TLS struct {
	// Certificate is the server's own.
	Certificate func() (*tls.Certificate, error)
	// Roots are what clients' certificates must lead to.
	Roots func() *x509.CertPool
	// TrustDomain is what clients' identities must be of.
	TrustDomain string
}

// config is for one handshake.
func (t TLS) config() (*tls.Config, error) {
	certificate, err := t.Certificate()
	if err != nil {
		return nil, err
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS13, NextProtos: []string{"h2"}, Certificates: []tls.Certificate{*certificate},
		ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: t.Roots(),
		VerifyConnection: func(state tls.ConnectionState) error {
			_, err := t.identity(state)
			return err
		},
		// A resumed session would be judged by the roots of its first handshake.
		SessionTicketsDisabled: true,
	}, nil
}

// identity is the SPIFFE ID of a client whose certificate was verified. It must be
// the only one, as SPIFFE has it.
func (t TLS) identity(state tls.ConnectionState) (string, error) {
	if len(state.VerifiedChains) == 0 {
		return "", errors.New("no client certificate was verified")
	}
	ids := state.VerifiedChains[0][0].URIs
	if len(ids) != 1 {
		return "", fmt.Errorf("the client certificate has %d URIs, a SPIFFE certificate has one", len(ids))
	}
	if ids[0].Scheme != "spiffe" || ids[0].Host != t.TrustDomain || ids[0].Path == "" {
		return "", fmt.Errorf("the client certificate is not of trust domain %s", t.TrustDomain)
	}
	return ids[0].String(), nil
}

// proved is a connection's authentication with the identity that it proved.
type proved struct {
	credentials.AuthInfo
	identity string
}

// identityOf is the identity that the stream's connection proved.
func identityOf(ctx context.Context) (string, error) {
	from, ok := peer.FromContext(ctx)
	if !ok {
		return "", errNoIdentity
	}
	auth, ok := from.AuthInfo.(proved)
	if !ok {
		return "", errNoIdentity
	}
	return auth.identity, nil
}

// transport is mutual TLS for gRPC.
type transport struct {
	credentials.TransportCredentials
	publisher *Publisher
}

func (p *Publisher) transport() credentials.TransportCredentials {
	return transport{publisher: p, TransportCredentials: credentials.NewTLS(&tls.Config{
		MinVersion: tls.VersionTLS13, NextProtos: []string{"h2"},
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return p.options.TLS.config() },
	})}
}

// ServerHandshake adds the identity, and counts clients that are turned away.
func (t transport) ServerHandshake(raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	conn, auth, err := t.TransportCredentials.ServerHandshake(raw)
	if err != nil {
		t.publisher.reject("handshake")
		return nil, nil, err
	}
	info, ok := auth.(credentials.TLSInfo)
	if !ok {
		return nil, nil, errors.Join(errNoIdentity, conn.Close())
	}
	identity, err := t.publisher.options.TLS.identity(info.State)
	if err != nil {
		return nil, nil, errors.Join(err, conn.Close())
	}
	return conn, proved{AuthInfo: auth, identity: identity}, nil
}

// Clone implements credentials.TransportCredentials.
func (t transport) Clone() credentials.TransportCredentials {
	return transport{publisher: t.publisher, TransportCredentials: t.TransportCredentials.Clone()}
}
