// Package podforward asks a port of a pod over HTTP, through the API server. It
// needs nothing in the pod's image and opens no port here. It knows nothing of
// what is asked.
package podforward

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/transport/spdy"
	"k8s.io/streaming/pkg/httpstream"
)

// maxBody bounds what is kept of an answer, in bytes.
const maxBody = 32 << 20

// Target is a port of one pod, on any of its addresses.
type Target struct {
	Namespace, Pod string
	Port           int
}

func (t Target) String() string {
	return fmt.Sprintf("port %d of pod %s/%s", t.Port, t.Namespace, t.Pod)
}

// Get asks for a path and returns the body of the answer. Any status but 200 is
// an error.
func Get(ctx context.Context, config *rest.Config, kube kubernetes.Interface, target Target, path string) ([]byte, error) {
	body, err := get(ctx, config, kube, target, path)
	if err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return nil, fmt.Errorf("ask %s: %w", target, err)
	}
	return body, nil
}

func get(ctx context.Context, config *rest.Config, kube kubernetes.Interface, target Target, path string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://localhost/"+path, http.NoBody)
	if err != nil {
		return nil, err
	}
	request.Close = true
	connection, err := connect(ctx, config, kube, target)
	if err != nil {
		return nil, err
	}
	defer connection.Close()
	defer context.AfterFunc(ctx, func() { _ = connection.Close() })()
	data, failure, err := streams(connection, target.Port)
	if err != nil {
		return nil, err
	}
	return exchange(request, data, failure)
}

// exchange sends the request and reads the answer. Where there is none, the pod's
// side may have said why.
func exchange(request *http.Request, data io.ReadWriter, failure io.Reader) ([]byte, error) {
	reason := make(chan string, 1)
	go func() {
		text, _ := io.ReadAll(io.LimitReader(failure, maxBody))
		reason <- string(text)
	}()
	if err := request.Write(data); err != nil {
		return nil, err
	}
	answer, err := http.ReadResponse(bufio.NewReader(data), request)
	if err != nil {
		select {
		case text := <-reason:
			if text != "" {
				return nil, fmt.Errorf("%w: %s", err, text)
			}
		case <-request.Context().Done():
		}
		return nil, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxBody))
	if err != nil {
		return nil, err
	}
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("HTTP %d", answer.StatusCode)
	}
	return body, nil
}

// connect prefers WebSockets and falls back to SPDY for API servers or proxies
// that refuse the upgrade.
func connect(ctx context.Context, config *rest.Config, kube kubernetes.Interface, target Target) (httpstream.Connection, error) {
	address := kube.CoreV1().RESTClient().Post().Resource("pods").
		Namespace(target.Namespace).Name(target.Pod).SubResource("portforward").URL()
	transport, upgrader, err := spdy.RoundTripperFor(config)
	if err != nil {
		return nil, err
	}
	tunnel, err := portforward.NewSPDYOverWebsocketDialerForStreaming(address, config)
	if err != nil {
		return nil, err
	}
	plain := spdy.NewDialerForStreaming(upgrader, &http.Client{Transport: transport}, http.MethodPost, address)
	dialer := portforward.NewFallbackDialerForStreaming(tunnel, plain, func(err error) bool {
		return httpstream.IsUpgradeFailure(err) || httpstream.IsHTTPSProxyError(err)
	})
	// Neither dialer knows a context.
	done := make(chan dialled, 1)
	go func() {
		connection, _, err := dialer.Dial(portforward.PortForwardProtocolV1Name)
		done <- dialled{connection, err}
	}()
	select {
	case one := <-done:
		return one.connection, one.err
	case <-ctx.Done():
		go func() {
			if late := <-done; late.err == nil {
				_ = late.connection.Close()
			}
		}()
		return nil, ctx.Err()
	}
}

// dialled is what came of a dialer.
type dialled struct {
	connection httpstream.Connection
	err        error
}

// streams are one connection to the port, and what is said of its failure.
func streams(connection httpstream.Connection, port int) (data, failure httpstream.Stream, err error) {
	headers := http.Header{}
	headers.Set(corev1.PortHeader, strconv.Itoa(port))
	headers.Set(corev1.PortForwardRequestIDHeader, "0")
	headers.Set(corev1.StreamType, corev1.StreamTypeError)
	if failure, err = connection.CreateStream(headers); err != nil {
		return nil, nil, err
	}
	_ = failure.Close() // nothing is written to it
	headers.Set(corev1.StreamType, corev1.StreamTypeData)
	data, err = connection.CreateStream(headers)
	return data, failure, err
}
