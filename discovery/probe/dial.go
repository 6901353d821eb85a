package probe

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// How a gateway is asked for a sign of life; what gateways of ours answer to
// (discovery/translate, check.go).
const (
	protocol   = "mesh-hc"
	path       = "/gateway"
	serverName = "outbound_.1_._.gateway.eastwest-system.svc.cluster.local"
)

// broken is an error of one hop.
type broken struct {
	hop   Hop
	cause error
}

func (b *broken) Error() string { return b.cause.Error() }
func (b *broken) Unwrap() error { return b.cause }

// probe tries the addresses of a member one after the other.
func (p *Prober) probe(ctx context.Context, target Target) Result {
	if len(target.Addresses) == 0 {
		return Result{Hop: HopAddress, Message: "its gateway has no address"}
	}
	var last Result
	for _, address := range target.Addresses {
		started := time.Now()
		err := p.ask(ctx, address.String(), target.Identity)
		if err == nil {
			return Result{OK: true, Hop: p.furthest(), RTT: time.Since(started)}
		}
		last = Result{Hop: HopAdmission, Message: fmt.Sprintf("%s: %v", address, err)}
		var at *broken
		if errors.As(err, &at) {
			last.Hop = at.hop
		}
	}
	return last
}

// furthest is the last hop that is tried.
func (p *Prober) furthest() Hop {
	if p.options.Certificate == nil {
		return HopTCP
	}
	return HopAdmission
}

// ask connects to one address and wants an answer: with TLS 1.3 a client knows only
// from what comes after the handshake that its certificate was accepted.
func (p *Prober) ask(ctx context.Context, address, identity string) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	var dialer net.Dialer
	raw, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return &broken{HopTCP, err}
	}
	defer raw.Close()
	if p.furthest() == HopTCP {
		return nil
	}
	config, err := p.tls(identity)
	if err != nil {
		return err
	}
	conn := tls.Client(raw, config)
	if err := conn.HandshakeContext(ctx); err != nil {
		var certificate *broken
		if errors.As(err, &certificate) {
			return certificate
		}
		return &broken{HopTLS, err}
	}
	transport := &http.Transport{
		DisableKeepAlives: true,
		DialTLSContext:    func(context.Context, string, string) (net.Conn, error) { return conn, nil },
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+serverName+path, http.NoBody)
	if err != nil {
		return err
	}
	response, err := transport.RoundTrip(request)
	if err != nil {
		return &broken{HopAdmission, err}
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, 1<<10))
	if response.StatusCode != http.StatusOK {
		return &broken{HopAdmission, fmt.Errorf("it answers %s", response.Status)}
	}
	return nil
}

// tls is how the own member's gateways connect. A gateway proves itself by its
// SPIFFE ID, which crypto/tls does not look at.
func (p *Prober) tls(identity string) (*tls.Config, error) {
	own, err := p.options.Certificate()
	if err != nil {
		return nil, fmt.Errorf("our own certificate: %w", err)
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS12, ServerName: serverName, NextProtos: []string{protocol},
		Certificates:       []tls.Certificate{*own},
		InsecureSkipVerify: true, //nolint:gosec // VerifyConnection does it, by SPIFFE ID
		VerifyConnection: func(state tls.ConnectionState) error {
			if err := p.verify(state.PeerCertificates, identity); err != nil {
				return &broken{HopCertificate, err}
			}
			return nil
		},
	}, nil
}

func (p *Prober) verify(chain []*x509.Certificate, identity string) error {
	if len(chain) == 0 {
		return errors.New("it shows no certificate")
	}
	between := x509.NewCertPool()
	for _, one := range chain[1:] {
		between.AddCert(one)
	}
	_, err := chain[0].Verify(x509.VerifyOptions{
		Roots: p.options.Roots(), Intermediates: between, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
	if err != nil {
		return err
	}
	if len(chain[0].URIs) != 1 || chain[0].URIs[0].String() != identity {
		return fmt.Errorf("it proves to be %v, not %s", chain[0].URIs, identity)
	}
	return nil
}
