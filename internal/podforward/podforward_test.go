package podforward

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// ask has exchange talk to a pod that answers as given, and returns what it asked.
func ask(t *testing.T, answer, failure string) (path string, body []byte, err error) {
	t.Helper()
	here, there := net.Pipe()
	t.Cleanup(func() { here.Close() })
	asked := make(chan string, 1)
	go func() {
		defer there.Close()
		request, err := http.ReadRequest(bufio.NewReader(there))
		if err != nil {
			asked <- err.Error()
			return
		}
		asked <- request.URL.RequestURI()
		_, _ = io.WriteString(there, answer)
	}()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://localhost/clusters?format=json", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	body, err = exchange(request, here, strings.NewReader(failure))
	return <-asked, body, err
}

func TestExchange(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ answer, failure, body, err string }{
		"an answer":                    {answer: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", body: "{}"},
		"an answer without a length":   {answer: "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{}", body: "{}"},
		"another status":               {answer: "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", err: "HTTP 404"},
		"nobody listens in the pod":    {failure: "connection refused in pod", err: "connection refused in pod"},
		"a connection that just ended": {err: "EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path, body, err := ask(t, c.answer, c.failure)
			if path != "/clusters?format=json" || string(body) != c.body {
				t.Errorf("asked %q, got %q", path, body)
			}
			if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
				t.Errorf("err = %v, want %q", err, c.err)
			}
		})
	}
}

func TestTargetIsNamed(t *testing.T) {
	t.Parallel()
	if got := (Target{Namespace: "ns", Pod: "p", Port: 15000}).String(); got != "port 15000 of pod ns/p" {
		t.Errorf("got %q", got)
	}
}
