// Package traffic sends requests from a pod and reads what came back. It owns
// the shell text that runs in the sleep container and the meaning of its
// output, and knows nothing of meshes, clusters or verdicts.
//
// The shell is what /bin/sh of both Debian and busybox understand, and one exec
// carries many requests: a request per exec would measure the API server.
package traffic

import (
	"fmt"
	"strconv"
	"time"
)

// curl is the command line shared by all scripts. Its --write-out line is what
// Parse looks for; -k because only reachability of TLS ports is asked here.
const curl = `curl -sSk --noproxy '*' --connect-timeout "$limit" -m "$limit" -w '\n%{http_code} %{time_connect} %{time_total}'`

// onceScript asks every "name=url" argument once, all at the same time. Each
// block is written by one printf so that blocks do not mix.
const onceScript = `limit=$1; shift
for target in "$@"; do
  (
    out=$(` + curl + ` "${target#*=}" 2>&1); code=$?
    printf '> %s\n%s\n@ %s\n' "${target%%=*}" "$out" "$code"
  ) &
done
wait`

// repeatScript asks one URL up to n times, one connection each, and stops early
// when its budget of seconds is spent.
const repeatScript = `limit=$1; n=$2; budget=$3; name=$4; url=$5
end=$(($(date +%s) + budget)); i=0
while [ "$i" -lt "$n" ] && [ "$(date +%s)" -lt "$end" ]; do
  out=$(` + curl + ` "$url" 2>&1); code=$?
  printf '> %s\n%s\n@ %s\n' "$name" "$out" "$code"
  i=$((i + 1))
done`

// Target is a URL with the name under which its answers come back.
type Target struct {
	Name, URL string
}

// Once is the command that asks every target once and waits at most limit.
func Once(limit time.Duration, targets []Target) []string {
	command := []string{"/bin/sh", "-c", onceScript, "sh", seconds(limit)}
	for _, t := range targets {
		command = append(command, t.Name+"="+t.URL)
	}
	return command
}

// Load is a series of requests to one target.
type Load struct {
	Target   Target
	Requests int
	// Limit bounds one request, Budget all of them together.
	Limit, Budget time.Duration
}

// Command is the command that sends the load.
func (l Load) Command() []string {
	return []string{
		"/bin/sh", "-c", repeatScript, "sh",
		seconds(l.Limit), strconv.Itoa(l.Requests), seconds(l.Budget), l.Target.Name, l.Target.URL,
	}
}

// seconds rounds up: a limit of zero would mean none at all.
func seconds(d time.Duration) string {
	return fmt.Sprint(max(1, int((d+time.Second-1)/time.Second)))
}
