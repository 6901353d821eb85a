package facade

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Files is the folder with what a facade proves itself with and what istiod
// shows. They are read whenever they are needed, which is rarely: what is there is
// what counts.
type Files struct{ Folder string }

// Token is what istiod shows; empty where it cannot be read.
func (f Files) Token() string {
	text, err := os.ReadFile(filepath.Join(f.Folder, "token"))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}

func (f Files) certificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	pair, err := tls.LoadX509KeyPair(filepath.Join(f.Folder, "tls.crt"), filepath.Join(f.Folder, "tls.key"))
	if err != nil {
		return nil, errors.New("the facade's certificate cannot be read")
	}
	return &pair, nil
}

// Serve answers on an address until ctx ends. Watches are cut then: whoever
// watches takes them up again at the next replica.
func (f *Facade) Serve(ctx context.Context, address string, files Files) error {
	server := &http.Server{
		Addr: address, Handler: f, ReadHeaderTimeout: 5 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 16 << 10,
		TLSConfig: &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: files.certificate, NextProtos: []string{"h2", "http/1.1"}},
	}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.ListenAndServeTLS("", ""); err != nil && !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve the facade on %s: %w", address, err)
	}
	return nil
}
