// Package podexec runs a command in a container of a running pod and returns
// what it printed. It knows nothing of what is run.
package podexec

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/remotecommand"
	utilexec "k8s.io/client-go/util/exec"
	"k8s.io/streaming/pkg/httpstream"
)

// maxOutput bounds what is kept of each stream, in bytes.
const maxOutput = 32 << 20

// Target is a container of one pod.
type Target struct {
	Namespace, Pod, Container string
}

// ExitError is a command that ran and returned a non-zero code.
type ExitError struct {
	Code   int
	Stderr string
}

func (e *ExitError) Error() string {
	text := strings.TrimSpace(e.Stderr)
	if text == "" {
		return fmt.Sprintf("exit code %d", e.Code)
	}
	return fmt.Sprintf("exit code %d: %s", e.Code, text)
}

// Run runs command in target and returns its standard output. The error is an
// *ExitError where the command itself failed; the output is valid then too.
func Run(ctx context.Context, config *rest.Config, kube kubernetes.Interface, target Target, command ...string) ([]byte, error) {
	request := kube.CoreV1().RESTClient().Post().
		Resource("pods").Namespace(target.Namespace).Name(target.Pod).SubResource("exec").
		VersionedParams(&corev1.PodExecOptions{
			Container: target.Container, Command: command, Stdout: true, Stderr: true,
		}, scheme.ParameterCodec)
	executor, err := newExecutor(config, request)
	if err != nil {
		return nil, fmt.Errorf("exec in pod %s/%s: %w", target.Namespace, target.Pod, err)
	}
	stdout, stderr := &capped{}, &capped{}
	err = executor.StreamWithContext(ctx, remotecommand.StreamOptions{Stdout: stdout, Stderr: stderr})
	var exit utilexec.ExitError
	if errors.As(err, &exit) && exit.Exited() {
		return stdout.Bytes(), &ExitError{Code: exit.ExitStatus(), Stderr: stderr.String()}
	}
	if err != nil {
		return stdout.Bytes(), fmt.Errorf("exec in pod %s/%s: %w", target.Namespace, target.Pod, err)
	}
	return stdout.Bytes(), nil
}

// newExecutor prefers WebSockets and falls back to SPDY for API servers or
// proxies that refuse the upgrade.
func newExecutor(config *rest.Config, request *rest.Request) (remotecommand.Executor, error) {
	websocket, err := remotecommand.NewWebSocketExecutor(config, http.MethodGet, request.URL().String())
	if err != nil {
		return nil, err
	}
	spdy, err := remotecommand.NewSPDYExecutor(config, http.MethodPost, request.URL())
	if err != nil {
		return nil, err
	}
	return remotecommand.NewFallbackExecutor(websocket, spdy, func(err error) bool {
		return httpstream.IsUpgradeFailure(err) || httpstream.IsHTTPSProxyError(err)
	})
}

// capped keeps the first maxOutput bytes and drops the rest, so that a command
// that never stops printing costs time, not memory.
type capped struct{ bytes.Buffer }

func (c *capped) Write(p []byte) (int, error) {
	if room := maxOutput - c.Len(); room < len(p) {
		_, _ = c.Buffer.Write(p[:max(room, 0)])
		return len(p), nil
	}
	return c.Buffer.Write(p)
}
