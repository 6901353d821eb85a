package traffic

import (
	"bufio"
	"bytes"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Exit codes of curl that mean something to a reader of a broken link.
const (
	ExitName      = 6  // the name did not resolve
	ExitConnect   = 7  // connection refused, or no route
	ExitTimeout   = 28 // nothing within the limit
	ExitTLS       = 35 // TLS handshake failed, which proves that TCP worked
	ExitEmpty     = 52 // closed without an answer
	ExitReset     = 56 // reset while reading
	exitUntouched = -1
)

// Answer is one request and what came of it.
type Answer struct {
	// Exit is curl's exit code, HTTP the status code (0 where none came).
	Exit, HTTP int
	// Connect is the time until TCP was connected, 0 where it never was.
	Connect, Total time.Duration
	// Version and Instance are who answered, as helloworld says it.
	Version, Instance string
	// Detail is curl's own words about a failure.
	Detail string
}

// OK says that helloworld answered.
func (a Answer) OK() bool { return a.Exit == 0 && a.HTTP == 200 && a.Version != "" }

// Connected says that TCP reached something, whatever came after.
func (a Answer) Connected() bool { return a.Connect > 0 || a.HTTP > 0 || a.Exit == ExitTLS }

// Failure names what went wrong in a few words; it is empty for a good answer.
func (a Answer) Failure() string {
	switch {
	case a.OK():
		return ""
	case a.Exit == 0 && a.HTTP != 200:
		return fmt.Sprintf("HTTP %d", a.HTTP)
	case a.Exit == 0:
		return "not helloworld"
	}
	words := map[int]string{
		ExitName: "name not resolved", ExitConnect: "connection refused", ExitTimeout: "timeout",
		ExitTLS: "TLS handshake failed", ExitEmpty: "closed without an answer", ExitReset: "connection reset",
	}
	if word, ok := words[a.Exit]; ok {
		return word
	}
	return fmt.Sprintf("curl exit %d", a.Exit)
}

var (
	helloLine = regexp.MustCompile(`^Hello version: ([^,]+), instance: (.*)$`)
	writeLine = regexp.MustCompile(`^(\d{3}) ([0-9.]+) ([0-9.]+)$`)
)

// Parse reads the output of Once or Load by target name. A block cut off in the
// middle is dropped: it is a request that did not end.
func Parse(output []byte) map[string][]Answer {
	answers := map[string][]Answer{}
	name, open, answer := "", false, Answer{Exit: exitUntouched}
	lines := bufio.NewScanner(bytes.NewReader(output))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		switch {
		case strings.HasPrefix(line, "> "):
			name, open, answer = line[2:], true, Answer{Exit: exitUntouched}
		case open && strings.HasPrefix(line, "@ "):
			code, err := strconv.Atoi(line[2:])
			if err != nil {
				continue
			}
			answer.Exit = code
			answers[name] = append(answers[name], answer)
			open = false
		case open:
			answer.read(line)
		}
	}
	return answers
}

// read takes one line of a block: the body, curl's write-out line or its error.
func (a *Answer) read(line string) {
	if m := helloLine.FindStringSubmatch(line); m != nil {
		a.Version, a.Instance = m[1], m[2]
		return
	}
	if m := writeLine.FindStringSubmatch(line); m != nil {
		a.HTTP, _ = strconv.Atoi(m[1])
		a.Connect, a.Total = duration(m[2]), duration(m[3])
		return
	}
	if strings.HasPrefix(line, "curl: ") {
		a.Detail = strings.TrimSpace(strings.TrimPrefix(line, "curl: "))
	}
}

func duration(text string) time.Duration {
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return 0
	}
	return time.Duration(f * float64(time.Second)).Round(time.Microsecond)
}
