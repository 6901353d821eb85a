package probe

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"syscall"
	"time"

	"github.com/eastwest-mesh/eastwest/discovery/model"
)

// Way is how a member is asked, once there is a connection to its gateway.
type Way struct {
	// ServerName is what the gateway is asked for, Protocol the ALPN protocol.
	ServerName, Protocol string
	// exchange asks and says how long an answer takes.
	exchange func(net.Conn) (time.Duration, error)
	// behind is true where something behind the gateway answers, not itself.
	behind bool
}

// How a gateway of ours is asked for a sign of life (discovery/translate, check.go).
const (
	protocol   = "mesh-hc"
	path       = "/gateway"
	serverName = "outbound_.1_._.gateway.eastwest-system.svc.cluster.local"
)

// gatewayWay asks a gateway of ours itself.
var gatewayWay = Way{ServerName: serverName, Protocol: protocol, exchange: askGateway}

// Behind asks the Responder of a member, to which its gateway leads connections
// with this server name and protocol.
func Behind(serverName, protocol string, member model.MemberName) Way {
	return Way{
		ServerName: serverName, Protocol: protocol, behind: true,
		exchange: func(conn net.Conn) (time.Duration, error) { return askResponder(conn, string(member)) },
	}
}

// last is the last hop of a way.
func (w Way) last() Hop {
	if w.behind {
		return HopAnswer
	}
	return HopAdmission
}

// explain says what it means that the TLS handshake of this way ends early.
func (w Way) explain(cause error) error {
	if w.behind && (errors.Is(cause, io.EOF) || errors.Is(cause, syscall.ECONNRESET)) {
		return fmt.Errorf("the gateway closes the connection for %s: it does not expose it, or nothing ready is behind it", w.ServerName)
	}
	return cause
}

// askGateway wants 200 of the gateway.
func askGateway(conn net.Conn) (time.Duration, error) {
	reader := bufio.NewReader(conn)
	return timed(func() error {
		request, err := http.NewRequest(http.MethodPost, "https://"+serverName+path, http.NoBody)
		if err != nil {
			return err
		}
		if err := request.Write(conn); err != nil {
			return &broken{HopAdmission, err}
		}
		response, err := http.ReadResponse(reader, request)
		if err != nil {
			return &broken{HopAdmission, err}
		}
		defer response.Body.Close()
		_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, 1<<10))
		if response.StatusCode != http.StatusOK {
			return &broken{HopAdmission, fmt.Errorf("it answers %s", response.Status)}
		}
		return nil
	})
}

// question is how many random bytes a question has, so that no answer is an old one.
const question = 16

// askResponder wants back what it says, and the name of the member.
func askResponder(conn net.Conn, member string) (time.Duration, error) {
	return timed(func() error {
		asked := make([]byte, question)
		_, _ = rand.Read(asked) // it never fails (crypto/rand)
		if _, err := conn.Write(asked); err != nil {
			return &broken{HopAdmission, err}
		}
		answer := make([]byte, question+1)
		if _, err := io.ReadFull(conn, answer); err != nil {
			return &broken{HopAdmission, fmt.Errorf("no answer: %w", err)}
		}
		name := make([]byte, answer[question])
		if _, err := io.ReadFull(conn, name); err != nil {
			return &broken{HopAnswer, err}
		}
		if !bytes.Equal(answer[:question], asked) {
			return &broken{HopAnswer, errors.New("it does not answer what was asked")}
		}
		if string(name) != member {
			return &broken{HopAnswer, fmt.Errorf("%.63q answers", name)}
		}
		return nil
	})
}
