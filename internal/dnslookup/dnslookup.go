// Package dnslookup owns one question to DNS and what came of it: whether the zone of
// multi-cluster services is answered where pods ask, and where the way there breaks.
// The agent's binary asks, in a pod; the installer reads the outcome from its log.
//
// It must not know how pods are run, nor what is to be done about an outcome.
package dnslookup

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// Name is what is asked for: the version of the schema, which every server of the
// zone has as a text.
// Source: KEP-1645, specification.md, dns-version.
const Name = "dns-version.clusterset.local"

// Version is the answer of our agent.
const Version = "1.0.0"

// nobodys is a name of a zone that nobody serves.
// Source: RFC 6761 section 6.4.
const nobodys = "dns-version.eastwest.invalid"

// timeout bounds one question to one server.
const timeout = 2 * time.Second

// Reply is what came of asking one server, or several in a row.
type Reply struct {
	// Server is the last that was asked, HOST:PORT.
	Server string `json:"server,omitempty"`
	// Code is the response code, such as NXDOMAIN; empty where nothing came.
	Code string `json:"code,omitempty"`
	// Answer is the text; empty where there was none.
	Answer string `json:"answer,omitempty"`
	// Error is why nothing came.
	Error string `json:"error,omitempty"`
}

// Text is the reply in a few words.
func (r Reply) Text() string {
	switch {
	case r.Answer != "":
		return r.Answer
	case r.Code != "":
		return r.Server + " says " + r.Code
	}
	return r.Error
}

// Outcome is what a lookup found.
type Outcome struct {
	// Resolver is what the name servers of the pod say, Agent what the agent says when
	// it is asked itself.
	Resolver Reply `json:"resolver"`
	Agent    Reply `json:"agent"`
	// Other is what the last of those name servers says of a zone that nobody serves:
	// one that says the same of ours does not know it. Empty where there is an answer.
	Other Reply `json:"other"`
}

// Look asks the name servers of a resolv.conf until they answer, or ctx ends, and the
// agent at address, HOST:PORT, at last. The error is of the file.
func Look(ctx context.Context, resolvConf, agent string) (Outcome, error) {
	return lookAt(ctx, resolvConf, "53", agent)
}

// lookAt is Look with name servers on another port, which the file cannot name.
func lookAt(ctx context.Context, resolvConf, port, agent string) (Outcome, error) {
	config, err := dns.ClientConfigFromFile(resolvConf)
	if err != nil {
		return Outcome{}, fmt.Errorf("read %s: %w", resolvConf, err)
	}
	var servers []string
	for _, server := range config.Servers {
		servers = append(servers, net.JoinHostPort(server, port))
	}
	out := Outcome{Resolver: Reply{Error: resolvConf + " names no server"}}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		for _, server := range servers {
			if out.Resolver = ask(ctx, server, Name); out.Resolver.Code != "" {
				break // as resolvers do, who try the next one only where nothing comes
			}
		}
		if out.Resolver.Answer != "" {
			break
		}
		select {
		case <-ctx.Done():
			out.Agent = ask(ctx, agent, Name)
			if out.Resolver.Code != "" {
				out.Other = ask(ctx, out.Resolver.Server, nobodys)
			}
			return out, nil
		case <-tick.C:
		}
	}
	out.Agent = ask(ctx, agent, Name)
	return out, nil
}

// ask asks one server once.
func ask(ctx context.Context, server, name string) Reply {
	// A question that has begun is ended, so that the last reply says something.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeout)
	defer cancel()
	question := new(dns.Msg).SetQuestion(dns.Fqdn(name), dns.TypeTXT)
	message, _, err := new(dns.Client).ExchangeContext(ctx, question, server)
	if err != nil {
		return Reply{Server: server, Error: err.Error()}
	}
	reply := Reply{Server: server, Code: dns.RcodeToString[message.Rcode]}
	for _, record := range message.Answer {
		if text, ok := record.(*dns.TXT); ok {
			reply.Answer = strings.Join(text.Txt, "")
		}
	}
	return reply
}

// Read finds the outcome in a log.
func Read(log []byte) (Outcome, error) {
	for line := range bytes.Lines(log) {
		var out Outcome
		if bytes.HasPrefix(line, []byte("{")) && json.Unmarshal(line, &out) == nil {
			return out, nil
		}
	}
	return Outcome{}, fmt.Errorf("the lookup printed no outcome: %q", log[:min(len(log), 200)])
}
