package dnslookup

import (
	"context"
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
)

// serve answers by UDP on loopback and returns the port.
func serve(t *testing.T, host string, port string, answer func(*dns.Msg)) string {
	t.Helper()
	conn, err := net.ListenPacket("udp", net.JoinHostPort(host, port))
	if err != nil {
		t.Fatal(err)
	}
	server := &dns.Server{PacketConn: conn, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, asked *dns.Msg) {
		reply := new(dns.Msg).SetReply(asked)
		answer(reply)
		_ = w.WriteMsg(reply)
	})}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.ActivateAndServe()
	}()
	t.Cleanup(func() {
		_ = conn.Close()
		<-done
	})
	_, port, _ = net.SplitHostPort(conn.LocalAddr().String())
	return port
}

func version(text string) func(*dns.Msg) {
	return func(reply *dns.Msg) {
		reply.Answer = []dns.RR{&dns.TXT{Hdr: dns.RR_Header{Name: reply.Question[0].Name, Rrtype: dns.TypeTXT, Class: dns.ClassINET}, Txt: []string{text}}}
	}
}

func code(rcode int) func(*dns.Msg) { return func(reply *dns.Msg) { reply.Rcode = rcode } }

// at is a port on loopback.
func at(port string) string { return net.JoinHostPort("127.0.0.1", port) }

func TestOneQuestion(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		answer func(*dns.Msg)
		want   Reply
	}{
		"the version":  {version(Version), Reply{Code: "NOERROR", Answer: Version}},
		"no such name": {code(dns.RcodeNameError), Reply{Code: "NXDOMAIN"}},
		"a failure":    {code(dns.RcodeServerFailure), Reply{Code: "SERVFAIL"}},
		"no record":    {func(*dns.Msg) {}, Reply{Code: "NOERROR"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := at(serve(t, "127.0.0.1", "0", func(reply *dns.Msg) {
				if question := reply.Question[0]; question.Name != Name+"." || question.Qtype != dns.TypeTXT {
					t.Errorf("asked for %v", question)
				}
				tc.answer(reply)
			}))
			tc.want.Server = server
			if diff := cmp.Diff(tc.want, ask(t.Context(), server, Name)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// TestItWaitsForTheAnswer: a change to a Corefile takes its time to be loaded.
func TestItWaitsForTheAnswer(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	port := serve(t, "127.0.0.1", "0", func(reply *dns.Msg) {
		if asked.Add(1) < 3 {
			reply.Rcode = dns.RcodeNameError
			return
		}
		version(Version)(reply)
	})
	out := look(t, time.Minute, port, port)
	if out.Resolver.Answer != Version || out.Agent.Answer != Version || asked.Load() != 4 {
		t.Errorf("got %+v after %d questions", out, asked.Load())
	}
}

func TestWhereTheWayBreaks(t *testing.T) {
	t.Parallel()
	denies := serve(t, "127.0.0.1", "0", func(reply *dns.Msg) {
		if reply.Rcode = dns.RcodeServerFailure; reply.Question[0].Name == Name+"." {
			reply.Rcode = dns.RcodeNameError
		}
	})
	answers := serve(t, "127.0.0.1", "0", version(Version))
	out := look(t, time.Millisecond, denies, answers)
	if out.Resolver.Code != "NXDOMAIN" || out.Resolver.Answer != "" || out.Agent.Answer != Version || out.Other.Code != "SERVFAIL" {
		t.Errorf("got %+v", out)
	}
	if text := out.Resolver.Text(); !strings.HasSuffix(text, denies+" says NXDOMAIN") {
		t.Errorf("in words: %q", text)
	}
}

// TestServersAreAskedAsResolversDo: one that denies has answered, one that is silent
// has not.
func TestServersAreAskedAsResolversDo(t *testing.T) {
	t.Parallel()
	port := serve(t, "127.0.0.2", "0", version(Version))
	if out := look(t, time.Millisecond, port, port, "127.0.0.3", "127.0.0.2"); out.Resolver.Answer != Version {
		t.Errorf("the first is silent, and the second is not asked: %+v", out)
	}
	serve(t, "127.0.0.4", port, code(dns.RcodeNameError))
	if out := look(t, time.Millisecond, port, port, "127.0.0.4", "127.0.0.2"); out.Resolver.Code != "NXDOMAIN" {
		t.Errorf("the first denies, and the second is asked: %+v", out)
	}
}

func look(t *testing.T, bound time.Duration, resolver, agent string, servers ...string) Outcome {
	t.Helper()
	if len(servers) == 0 {
		servers = []string{"127.0.0.1"}
	}
	file := filepath.Join(t.TempDir(), "resolv.conf")
	if err := os.WriteFile(file, []byte("nameserver "+strings.Join(servers, "\nnameserver ")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), bound)
	defer cancel()
	out, err := lookAt(ctx, file, resolver, at(agent))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestAnOutcomeIsReadFromALog(t *testing.T) {
	t.Parallel()
	want := Outcome{Resolver: Reply{Server: "10.96.0.10:53", Code: "NXDOMAIN"}, Agent: Reply{Error: "no route"}}
	line, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Read(append(append([]byte("a warning\n"), line...), '\n'))
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got)\n%s", err, diff)
	}
	if _, err := Read([]byte("exec format error\n")); err == nil || !strings.Contains(err.Error(), "exec format error") {
		t.Errorf("got %v", err)
	}
}
