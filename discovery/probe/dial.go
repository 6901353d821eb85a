package probe

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"time"
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
		result, err := p.ask(ctx, address.String(), target)
		if err == nil {
			return result
		}
		last = Result{Hop: HopAdmission, Message: fmt.Sprintf("%s: %v", address, err)}
		var at *broken
		if errors.As(err, &at) {
			last.Hop = at.hop
		}
	}
	if last.Hop == HopTLS && target.Excuse != nil {
		ctx, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		if why := target.Excuse(ctx); why != "" {
			return Result{OK: true, Hop: HopTCP, Message: why}
		}
	}
	return last
}

// ask connects to one address and wants an answer: with TLS 1.3 a client knows only
// from what comes after the handshake that its certificate was accepted.
func (p *Prober) ask(ctx context.Context, address string, target Target) (Result, error) {
	run := ctx
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	var dialer net.Dialer
	raw, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return Result{}, &broken{HopTCP, err}
	}
	defer raw.Close()
	if target.Short != "" {
		return Result{OK: true, Hop: HopTCP, Message: target.Short}, nil
	}
	way := target.way()
	config, err := p.tls(way, target.Identity)
	if err != nil && way.behind {
		return Result{OK: true, Hop: HopTCP, Message: err.Error()}, nil //nolint:nilerr // traffic needs no certificate of ours
	}
	if err != nil {
		return Result{}, err
	}
	stop := context.AfterFunc(run, func() { _ = raw.Close() })
	defer stop()
	if end, bounded := ctx.Deadline(); bounded {
		_ = raw.SetDeadline(end)
	}
	conn := tls.Client(raw, config)
	if err := conn.HandshakeContext(ctx); err != nil {
		var certificate *broken
		switch {
		case errors.Is(err, errNoCertificate):
			return Result{OK: true, Hop: HopTLS, Message: err.Error()}, nil
		case errors.As(err, &certificate):
			return Result{}, certificate
		}
		return Result{}, &broken{HopTLS, way.explain(err)}
	}
	rtt, err := way.exchange(conn)
	if err != nil {
		return Result{}, err
	}
	return Result{OK: true, Hop: way.last(), RTT: rtt}, nil
}

// timed asks twice, and times the second question, which finds a connection that
// stands: the first one waits for the other end to look at our certificate. Where
// the second is not answered the way is none the worse: it was whole just now.
func timed(ask func() error) (time.Duration, error) {
	started := time.Now()
	if err := ask(); err != nil {
		return 0, err
	}
	first := time.Since(started)
	started = time.Now()
	if ask() != nil {
		return first, nil
	}
	return time.Since(started), nil
}

// tls is how the own member connects. Whoever answers proves itself by its SPIFFE
// ID, which crypto/tls does not look at.
func (p *Prober) tls(way Way, identity string) (*tls.Config, error) {
	own, err := p.options.Certificate()
	if err != nil {
		return nil, fmt.Errorf("our own certificate: %w", err)
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS12, ServerName: way.ServerName, NextProtos: []string{way.Protocol},
		Certificates:       []tls.Certificate{*own},
		InsecureSkipVerify: true, //nolint:gosec // VerifyConnection does it, by SPIFFE ID
		VerifyConnection: func(state tls.ConnectionState) error {
			if absent(state.PeerCertificates) {
				return errNoCertificate
			}
			proved, err := prove(state.PeerCertificates, p.options.Roots(), x509.ExtKeyUsageServerAuth)
			if err == nil && proved != identity {
				err = fmt.Errorf("it proves to be %s, not %s", proved, identity)
			}
			if err != nil {
				return &broken{HopCertificate, err}
			}
			return nil
		},
	}, nil
}

// prove is the SPIFFE ID of a certificate that leads to one of the roots.
func prove(chain []*x509.Certificate, roots *x509.CertPool, usage x509.ExtKeyUsage) (string, error) {
	if len(chain) == 0 {
		return "", errors.New("it shows no certificate")
	}
	between := x509.NewCertPool()
	for _, one := range chain[1:] {
		between.AddCert(one)
	}
	if _, err := chain[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, KeyUsages: []x509.ExtKeyUsage{usage}}); err != nil {
		return "", err
	}
	if len(chain[0].URIs) != 1 {
		return "", fmt.Errorf("it proves to be %v, which is not one identity", chain[0].URIs)
	}
	return chain[0].URIs[0].String(), nil
}
