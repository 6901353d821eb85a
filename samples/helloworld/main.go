// Command helloworld answers which version and instance of it was reached,
// which is how traffic across clusters is seen.
package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

const (
	address  = ":5000"
	patience = 5 * time.Second
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := serve(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "helloworld:", err)
		os.Exit(1)
	}
}

// serve answers until ctx ends, then finishes what is under way.
func serve(ctx context.Context) error {
	hostname, err := os.Hostname()
	if err != nil {
		return fmt.Errorf("find the host name: %w", err)
	}
	server := &http.Server{Addr: address, Handler: handler(version(), hostname), ReadHeaderTimeout: patience, Protocols: new(http.Protocols)}
	server.Protocols.SetHTTP1(true)
	server.Protocols.SetUnencryptedHTTP2(true)
	failed := make(chan error, 1)
	go func() { failed <- server.ListenAndServe() }()
	select {
	case err := <-failed:
		return fmt.Errorf("serve on %s: %w", address, err)
	case <-ctx.Done():
	}
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	if err := server.Shutdown(drain); err != nil {
		return fmt.Errorf("stop: %w", err)
	}
	if err := <-failed; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func version() string {
	if v := os.Getenv("SERVICE_VERSION"); v != "" {
		return v
	}
	return "v1"
}

func handler(version, instance string) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /hello", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, "Hello version: %s, instance: %s\n", version, instance)
	})
	mux.HandleFunc("POST /helloworld.Hello/Say", func(w http.ResponseWriter, _ *http.Request) {
		sayGRPC(w, fmt.Sprintf("Hello version: %s, instance: %s\n", version, instance))
	})
	mux.HandleFunc("GET /health", func(http.ResponseWriter, *http.Request) {})
	return mux
}

// sayGRPC answers a unary call of gRPC with a message whose only field is a text:
// so much of the protocol needs no library.
func sayGRPC(w http.ResponseWriter, text string) {
	const firstFieldIsBytes = 1<<3 | 2
	message := append(binary.AppendUvarint([]byte{firstFieldIsBytes}, uint64(len(text))), text...)
	w.Header().Set("Content-Type", "application/grpc")
	w.Header().Set(http.TrailerPrefix+"Grpc-Status", "0")
	notCompressed := []byte{0}
	_, _ = w.Write(append(binary.BigEndian.AppendUint32(notCompressed, uint32(len(message))), message...))
}
