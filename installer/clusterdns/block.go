package clusterdns

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

// What is ours in a Corefile stands between these lines. The first one goes on with
// a sum of what follows, by which an edit of somebody else's is known.
const (
	begin = "# eastwest: begin"
	end   = "# eastwest: end"
	// unended is said in the first line where the text before it had no newline of its
	// own at its end, so that it can be given back as it was.
	unended = ", after a line without an end"
)

// Block is the server that forwards the zone, as it stands in a Corefile.
func Block(t Target) string { return server(t, "") }

// server is Block with the addresses that the server listens on; empty: all. The cache
// keeps answers for as long as they say, and no longer than a few seconds in any case.
func server(t Target, bind string) string {
	var text strings.Builder
	fmt.Fprintf(&text, "%s:53 {\n    errors\n    cache 5\n", t.Zone)
	if bind != "" {
		fmt.Fprintf(&text, "    bind %s\n", bind)
	}
	fmt.Fprintf(&text, "    forward . %s\n}\n", strings.Join(t.Servers, " "))
	return text.String()
}

// with puts our lines at the end of a text.
func with(rest, block string) string {
	first := begin + " " + sum(block)
	if rest != "" && !strings.HasSuffix(rest, "\n") {
		rest, first = rest+"\n", first+unended
	}
	return rest + first + "\n" + block + end + "\n"
}

func sum(block string) string {
	digest := sha256.Sum256([]byte(block))
	return hex.EncodeToString(digest[:6])
}

// parts are a text without what is ours, and that. block is empty where there is
// nothing of ours; edited is true where it is not what we wrote.
type parts struct {
	rest, block string
	edited      bool
}

// split takes our lines out of a text. The error says that they are not whole.
func split(text string) (parts, error) {
	lines := strings.SplitAfter(text, "\n")
	first, last := -1, -1
	for i, line := range lines {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, begin) && first < 0:
			first = i
		case line == end && first >= 0 && last < 0:
			last = i
		case strings.HasPrefix(line, begin), line == end:
			return parts{}, errHalf
		}
	}
	if first < 0 {
		return parts{rest: text}, nil
	}
	if last < 0 {
		return parts{}, errHalf
	}
	before, after := strings.Join(lines[:first], ""), strings.Join(lines[last+1:], "")
	said, joined := strings.CutSuffix(strings.TrimSpace(lines[first]), unended)
	if joined && after == "" {
		before = strings.TrimSuffix(before, "\n")
	}
	block := strings.Join(lines[first+1:last], "")
	return parts{rest: before + after, block: block, edited: said != begin+" "+sum(block)}, nil
}

var errHalf = fmt.Errorf("the lines %q and %q do not belong together", begin, end)
