package testapi

import (
	"context"
	"os"
	"syscall"
	"testing"

	"k8s.io/client-go/rest"
)

// Server is an API server with an etcd of its own, for tests that harm them. Its
// address and its credential are the same for as long as the test runs.
type Server struct{ server *server }

// Start starts one, which ends with the test. Where the executables are missing the
// test is skipped, and fails in CI.
func Start(t testing.TB) *Server {
	t.Helper()
	one, err := New(t.Context())
	ifStarted(t, err)
	t.Cleanup(one.Close)
	return one
}

// New starts one for several tests. Who asked for it closes it.
func New(ctx context.Context) (*Server, error) {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	one, err := start(ctx)
	if err != nil {
		return nil, err
	}
	return &Server{one}, nil
}

// Close kills both processes and removes all they wrote.
func (s *Server) Close() { s.server.stop() }

// Config is the connection to it, with all rights and no limit of requests.
func (s *Server) Config() *rest.Config { return unlimited(s.server.config) }

// KillStore kills etcd.
func (s *Server) KillStore() { s.server.processes[etcd].kill() }

// StartStore starts etcd again.
func (s *Server) StartStore(t testing.TB) {
	t.Helper()
	if err := s.server.start(etcd); err != nil {
		t.Fatal(err)
	}
}

// Kill kills the API server.
func (s *Server) Kill() { s.server.processes[apiServer].kill() }

// Signal sends one to the API server.
func (s *Server) Signal(t testing.TB, signal syscall.Signal) {
	t.Helper()
	if err := s.server.processes[apiServer].cmd.Process.Signal(signal); err != nil {
		t.Fatal(err)
	}
}

// Start starts the API server again, and waits until it is ready.
func (s *Server) Start(t testing.TB) {
	t.Helper()
	if err := s.server.start(apiServer); err != nil {
		t.Fatal(err)
	}
	s.AwaitReady(t)
}

// AwaitReady waits until the API server says that it is ready, its etcd included.
func (s *Server) AwaitReady(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), startLimit)
	defer cancel()
	if err := s.server.ready(ctx); err != nil {
		t.Fatal(err)
	}
}

// Backup copies what is stored. It stops both processes for that, and starts them
// again.
func (s *Server) Backup(t testing.TB) (folder string) {
	t.Helper()
	folder = t.TempDir()
	s.replaceStore(t, func(store string) error { return os.CopyFS(folder, os.DirFS(store)) })
	return folder
}

// Restore puts a backup in place of what is stored, as if what was written since
// never had been.
func (s *Server) Restore(t testing.TB, backup string) {
	t.Helper()
	s.replaceStore(t, func(store string) error {
		if err := os.RemoveAll(store); err != nil {
			return err
		}
		return os.CopyFS(store, os.DirFS(backup))
	})
}

// Wipe makes it another cluster at the same address.
func (s *Server) Wipe(t testing.TB) {
	t.Helper()
	s.replaceStore(t, os.RemoveAll)
}

func (s *Server) replaceStore(t testing.TB, change func(store string) error) {
	t.Helper()
	s.Kill()
	s.KillStore()
	if err := change(s.server.path(etcd)); err != nil {
		t.Fatal(err)
	}
	s.StartStore(t)
	s.Start(t)
}
