//go:build e2e

package e2e

import (
	"bufio"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// request is one line of an audit log.
type request struct {
	RequestURI, Verb, UserAgent string
	RequestReceivedTimestamp    time.Time

	User           struct{ Username string }
	ObjectRef      struct{ Resource, Subresource, Namespace, Name string }
	ResponseStatus struct{ Code int }
}

// marks are the ends of all audit logs at one moment.
type marks []int64

// mark notes where the audit logs end now.
func mark(t *testing.T) marks {
	t.Helper()
	var all marks
	for _, c := range suite.lab.Clusters {
		info, err := os.Stat(c.AuditLog)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, info.Size())
	}
	return all
}

// requests are those of eastwest to cluster i since the mark.
func (m marks) requests(t *testing.T, i int) []request {
	t.Helper()
	return m.those(t, i, func(r request) bool { return strings.HasPrefix(r.UserAgent, "eastwest/") })
}

// those are the requests to cluster i since the mark that are chosen.
func (m marks) those(t *testing.T, i int, chosen func(request) bool) []request {
	t.Helper()
	file, err := os.Open(cluster(i).AuditLog)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, err := file.Seek(m[i-1], 0); err != nil {
		t.Fatal(err)
	}
	var all []request
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var r request
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			continue // the line that is being written
		}
		if chosen(r) {
			all = append(all, r)
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// count is the number of eastwest's requests to all clusters since the mark.
func (m marks) count(t *testing.T) (all, writes int) {
	t.Helper()
	for i := range m {
		for _, r := range m.requests(t, i+1) {
			all++
			if r.stores() {
				writes++
			}
		}
	}
	return all, writes
}

// wantNoWrites wants that no request since the mark changed a stored object, and
// that there were requests at all.
func (m marks) wantNoWrites(t *testing.T) {
	t.Helper()
	seen := 0
	for i := range m {
		for _, r := range m.requests(t, i+1) {
			seen++
			if r.stores() {
				t.Errorf("c%d: %s %s (%d)", i+1, r.Verb, r.RequestURI, r.ResponseStatus.Code)
			}
		}
	}
	if seen == 0 {
		t.Error("the audit logs hold no request of eastwest at all")
	}
}

// stores reports whether a request was meant to change a stored object. Dry
// runs, reviews of access and tokens, exec and port-forward store nothing.
func (r request) stores() bool {
	if !slices.Contains([]string{"create", "update", "patch", "delete", "deletecollection"}, r.Verb) {
		return false
	}
	return !strings.Contains(r.RequestURI, "dryRun=All") &&
		!strings.HasSuffix(r.ObjectRef.Resource, "accessreviews") && r.ObjectRef.Resource != "tokenreviews" &&
		r.ObjectRef.Subresource != "exec" && r.ObjectRef.Subresource != "portforward"
}
