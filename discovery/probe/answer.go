package probe

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"sync"
	"time"

	"github.com/eastwest-mesh/eastwest/discovery/model"
)

const (
	// patience bounds one connection, from its first byte to its last.
	patience = 5 * time.Second
	// most questions are answered on a connection, and this many connections at once.
	mostQuestions   = 4
	mostConnections = 128
)

// Responder answers the probes of other members: it sends back what it is asked,
// and the name of its member. Whoever asks must prove who he is.
type Responder struct {
	Member model.MemberName
	// Certificate is the own one, Roots what those of others must lead to. Without a
	// certificate whoever asks is told so.
	Certificate func() (*tls.Certificate, error)
	Roots       func() *x509.CertPool
	// Admits says whose questions are answered, by SPIFFE ID.
	Admits func(identity string) bool
	// Protocols are those of TLS that are taken.
	Protocols []string
}

// Serve answers until ctx ends, and closes the listener then.
func (r *Responder) Serve(ctx context.Context, listener net.Listener) error {
	none, err := noCertificate(time.Now())
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = listener.Close() })
	defer stop()
	var group sync.WaitGroup
	defer group.Wait()
	places := make(chan struct{}, mostConnections)
	for {
		conn, err := listener.Accept()
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("answer probes on %s: %w", listener.Addr(), err)
		}
		select {
		case places <- struct{}{}:
		default:
			_ = conn.Close()
			continue
		}
		group.Go(func() {
			defer func() { <-places }()
			r.answer(ctx, conn, none)
		})
	}
}

// answer answers on one connection. Whatever goes wrong there is for the one who
// asks to notice.
func (r *Responder) answer(ctx context.Context, raw net.Conn, none *tls.Certificate) {
	defer raw.Close()
	stop := context.AfterFunc(ctx, func() { _ = raw.Close() })
	defer stop()
	if raw.SetDeadline(time.Now().Add(patience)) != nil {
		return
	}
	own, err := r.Certificate()
	if err != nil {
		_ = tls.Server(raw, &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{*none}, NextProtos: r.Protocols}).HandshakeContext(ctx)
		return
	}
	conn := tls.Server(raw, &tls.Config{
		MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{*own}, NextProtos: r.Protocols,
		ClientAuth: tls.RequireAnyClientCert, VerifyConnection: r.admit, SessionTicketsDisabled: true,
	})
	if conn.HandshakeContext(ctx) != nil {
		return
	}
	answer := make([]byte, question, question+1+len(r.Member))
	answer = append(append(answer, byte(len(r.Member))), r.Member...)
	for range mostQuestions {
		if _, err := io.ReadFull(conn, answer[:question]); err != nil {
			return
		}
		if _, err := conn.Write(answer); err != nil {
			return
		}
	}
}

func (r *Responder) admit(state tls.ConnectionState) error {
	identity, err := prove(state.PeerCertificates, r.Roots(), x509.ExtKeyUsageClientAuth)
	if err != nil {
		return err
	}
	if !r.Admits(identity) {
		return fmt.Errorf("%s is nobody who asks here", identity)
	}
	return nil
}

// absentName marks the certificate of a Responder that has none. It proves nothing:
// who can show it on the way can also cut it.
const absentName = "eastwest probe without a certificate"

var errNoCertificate = errors.New("its agent has no certificate of the mesh")

func absent(chain []*x509.Certificate) bool {
	return len(chain) == 1 && chain[0].Subject.CommonName == absentName
}

// noCertificate is what a Responder shows that has none: a probe must not take the
// way for broken for that.
func noCertificate(now time.Time) (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: absentName},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(10 * 365 * 24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("make a certificate: %w", err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}
