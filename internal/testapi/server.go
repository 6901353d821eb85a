package testapi

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// token is what the tests log in with; the server listens on loopback only.
const token = "testapi"

// Names of the processes of a server.
const (
	etcd      = "etcd"
	apiServer = "kube-apiserver"
)

// server is an etcd and a kube-apiserver.
type server struct {
	dir, bin string
	// args are those of both, so that they can be started again.
	args      map[string][]string
	processes map[string]*process
	config    *rest.Config
}

func start(ctx context.Context) (*server, error) {
	bin, err := tools()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "eastwest-testapi-")
	if err != nil {
		return nil, err
	}
	s := &server{dir: dir, bin: bin, processes: map[string]*process{}}
	if err := s.run(ctx); err != nil {
		s.stop()
		return nil, fmt.Errorf("start a kube-apiserver: %w", err)
	}
	return s, nil
}

func (s *server) run(ctx context.Context) error {
	ports, err := freePorts(3)
	if err != nil {
		return err
	}
	client, peer, api := "http://127.0.0.1:"+ports[0], "http://127.0.0.1:"+ports[1], ports[2]
	if err := s.writeFiles(); err != nil {
		return err
	}
	s.args = map[string][]string{
		etcd: {
			"--data-dir=" + s.path(etcd), "--listen-client-urls=" + client, "--advertise-client-urls=" + client,
			"--listen-peer-urls=" + peer, "--initial-advertise-peer-urls=" + peer, "--initial-cluster=default=" + peer,
			"--unsafe-no-fsync", "--log-level=error",
		},
		apiServer: {
			"--etcd-servers=" + client, "--bind-address=127.0.0.1", "--advertise-address=127.0.0.1", "--secure-port=" + api,
			"--cert-dir=" + s.dir, "--token-auth-file=" + s.path("tokens.csv"), "--authorization-mode=RBAC",
			"--service-account-key-file=" + s.path("accounts.pem"), "--service-account-signing-key-file=" + s.path("accounts.pem"),
			"--service-account-issuer=https://kubernetes.default.svc", "--service-cluster-ip-range=10.96.0.0/16,fd00:96::/112",
			"--endpoint-reconciler-type=none", "--disable-admission-plugins=ServiceAccount",
			"--enable-priority-and-fairness=false",
		},
	}
	s.config = &rest.Config{Host: "https://127.0.0.1:" + api, BearerToken: token}
	if err := errors.Join(s.start(etcd), s.start(apiServer)); err != nil {
		return err
	}
	return s.ready(ctx)
}

func (s *server) path(name string) string { return filepath.Join(s.dir, name) }

// writeFiles writes the key that signs service-account tokens, and who may log in.
func (s *server) writeFiles() error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(s.path("accounts.pem"), pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), 0o600),
		os.WriteFile(s.path("tokens.csv"), []byte(token+`,admin,admin,"system:masters"`+"\n"), 0o600))
}

// ready waits until the server says so, with the certificate it made for itself.
func (s *server) ready(ctx context.Context) error {
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	last := errors.New("it made no certificate")
	for {
		if authority, err := os.ReadFile(s.path("apiserver.crt")); err == nil && len(authority) > 0 {
			s.config.CAData = authority
			if last = readyz(ctx, s.config); last == nil {
				return nil
			}
		}
		for name, one := range s.processes {
			if text, ended := one.ended(); ended {
				return fmt.Errorf("%s has ended: %s", name, text)
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("not ready: %w; %w", last, ctx.Err())
		case <-ticker.C:
		}
	}
}

func readyz(ctx context.Context, config *rest.Config) error {
	kube, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	if _, err = kube.Discovery().RESTClient().Get().AbsPath("/readyz").Do(ctx).Raw(); err != nil {
		return err
	}
	// It makes its own namespaces a moment later, and its UID is that of this one.
	_, err = kube.CoreV1().Namespaces().Get(ctx, metav1.NamespaceSystem, metav1.GetOptions{})
	return err
}

// stop kills both processes and removes all they wrote.
func (s *server) stop() {
	for _, one := range s.processes {
		one.kill()
	}
	_ = os.RemoveAll(s.dir)
}

// process is one running component and the end of what it printed.
type process struct {
	cmd    *exec.Cmd
	output bytes.Buffer
	done   chan struct{}
}

// start runs one of the two, which must not be running.
func (s *server) start(name string) error {
	one := &process{cmd: exec.Command(filepath.Join(s.bin, name), s.args[name]...), done: make(chan struct{})}
	one.cmd.Stdout, one.cmd.Stderr = &one.output, &one.output
	// A test binary that is killed must leave nothing behind.
	one.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := one.cmd.Start(); err != nil {
		return err
	}
	s.processes[name] = one
	go func() {
		defer close(one.done)
		_ = one.cmd.Wait()
	}()
	return nil
}

// ended reports whether the process is gone, and its last words.
func (p *process) ended() (words string, ended bool) {
	select {
	case <-p.done:
		text := p.output.Bytes()
		return string(text[max(0, len(text)-1000):]), true
	default:
		return "", false
	}
}

func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.done
}

// freePorts finds ports of loopback that nobody listens on.
func freePorts(count int) ([]string, error) {
	var ports []string
	for range count {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer listener.Close()
		ports = append(ports, strconv.Itoa(listener.Addr().(*net.TCPAddr).Port))
	}
	return ports, nil
}
