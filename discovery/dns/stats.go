package dns

import (
	"fmt"
	"sync/atomic"
	"time"
)

// Stats are counts since the server was made, but for Connections, which are those of
// now, and Changed.
type Stats struct {
	// Answers are those that were sent, without those that never were any.
	Answers map[Answered]uint64
	// Truncated answers did not fit into a datagram.
	Truncated uint64
	// Slipped are answers over the rate that were sent empty, so that an honest
	// source comes back over TCP.
	Slipped uint64
	// Dropped are queries and connections that got no answer, by the reason.
	Dropped map[string]uint64
	// Connections are those open over TCP, the exempt ones among them.
	Connections int
	// Changed is when the zone became another one last; zero before there is one.
	Changed time.Time
}

// Answered says what was answered and how. Type and Code are words such as A and
// NXDOMAIN; types that the zone never has are "other".
type Answered struct {
	Transport, Type, Code string
}

// Reasons for which queries and connections are dropped.
const (
	// DropMalformed: no answer can be sent to what is no query.
	DropMalformed = "malformed"
	// DropRate: the source asks too often.
	DropRate = "rate"
	// DropWrite: the answer could not be sent.
	DropWrite = "write"
	// DropConnections: there are too many connections, in all or of the source.
	DropConnections = "connections"
	// DropBug: a fault of the server's own.
	DropBug = "bug"
)

// Places of the reasons in counters.
const (
	dropMalformed = iota
	dropRate
	dropWrite
	dropConnections
	dropBug
	dropReasons
)

var dropWords = [dropReasons]string{DropMalformed, DropRate, DropWrite, DropConnections, DropBug}

// counters are what Stats are made from.
type counters struct {
	answers   [len(transports)][len(kindWords)][len(codeWords)]atomic.Uint64
	dropped   [dropReasons]atomic.Uint64
	truncated atomic.Uint64
	slipped   atomic.Uint64
}

// The words for what is counted. Whatever is none of them is the first.
var (
	transports = [...]string{"udp", "tcp"}
	kindWords  = [...]string{"other", "A", "AAAA", "SRV", "TXT", "SOA", "NS", "PTR", "ANY"}
	codeWords  = [...]string{"other", "NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED", "BADVERS"}
)

func kindPlace(kind uint16) int {
	switch kind {
	case typeA:
		return 1
	case typeAAAA:
		return 2
	case typeSRV:
		return 3
	case typeTXT:
		return 4
	case typeSOA:
		return 5
	case typeNS:
		return 6
	case typePTR:
		return 7
	case typeANY:
		return 8
	}
	return 0
}

func codePlace(result code) int {
	switch {
	case result <= codeRefused:
		return int(result) + 1
	case result == codeBadVersion:
		return len(codeWords) - 1
	}
	return 0
}

// answered counts an answer that was sent.
func (c *counters) answered(tcp bool, q *query, result code, message []byte) {
	transport, kind := 0, 0
	if tcp {
		transport = 1
	}
	if result != codeFormat && result != codeNoOpcode { // the question was read
		kind = kindPlace(q.kind)
	}
	c.answers[transport][kind][codePlace(result)].Add(1)
	if message[2]&(flagTruncated>>8) != 0 {
		c.truncated.Add(1)
	}
}

func (c *counters) stats() Stats {
	out := Stats{
		Answers: map[Answered]uint64{}, Dropped: map[string]uint64{},
		Truncated: c.truncated.Load(), Slipped: c.slipped.Load(),
	}
	for t := range c.answers {
		for k := range c.answers[t] {
			for r := range c.answers[t][k] {
				if count := c.answers[t][k][r].Load(); count > 0 {
					out.Answers[Answered{transports[t], kindWords[k], codeWords[r]}] = count
				}
			}
		}
	}
	for reason := range c.dropped {
		out.Dropped[dropWords[reason]] = c.dropped[reason].Load()
	}
	return out
}

func (a Answered) String() string { return fmt.Sprintf("%s %s %s", a.Transport, a.Type, a.Code) }
