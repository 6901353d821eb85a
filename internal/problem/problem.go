// Package problem is the one shape of an error that a person reads: what
// failed, on which cluster and object, why, and how to mend it. Its kind
// decides the exit code of the command line and nothing else.
//
// It is at the bottom of the tree: every package may return a problem, and
// none of them is known here.
package problem

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// Kind says what sort of failure a problem is. The zero value is Bug, so that
// an error nobody classified is never mistaken for the user's fault.
type Kind int

const (
	// Bug is a failure of ours: exit code 1.
	Bug Kind = iota
	// Input was rejected before any cluster was contacted: exit code 2.
	Input
	// Cluster means that some clusters failed and the others were done: exit code 3.
	Cluster
	// Refused for safety; nothing overrides it silently: exit code 4.
	Refused
	// Unverified means that traffic did not prove what was asked: exit code 5.
	Unverified
	// Deadline or cancel by the user: exit code 6.
	Deadline
)

// Exit codes of the command line.
const (
	ExitOK         = 0
	ExitBug        = 1
	ExitInput      = 2
	ExitCluster    = 3
	ExitRefused    = 4
	ExitUnverified = 5
	ExitDeadline   = 6
)

var exitCodes = map[Kind]int{
	Bug: ExitBug, Input: ExitInput, Cluster: ExitCluster,
	Refused: ExitRefused, Unverified: ExitUnverified, Deadline: ExitDeadline,
}

// Error is a failure with all that its reader needs to act on it.
type Error struct {
	Kind Kind
	// Code is a stable CamelCase word for scripts and docs, such as
	// DuplicateCluster. It may be empty.
	Code string
	// Cluster is the member's name, Object "Kind namespace/name"; both optional.
	Cluster, Object string
	// Message says what failed, without a period.
	Message string
	// Cause is the underlying error, if there is one.
	Cause error
	// Fix is one line that tells the reader what to do.
	Fix string
}

// New returns a problem of a kind with a code and a formatted message.
func New(kind Kind, code, format string, args ...any) *Error {
	return &Error{Kind: kind, Code: code, Message: fmt.Sprintf(format, args...)}
}

// On names the cluster and returns e.
func (e *Error) On(cluster string) *Error { e.Cluster = cluster; return e }

// About names the object and returns e.
func (e *Error) About(object string) *Error { e.Object = object; return e }

// Because sets the cause and returns e.
func (e *Error) Because(cause error) *Error { e.Cause = cause; return e }

// WithFix sets the fix line and returns e.
func (e *Error) WithFix(format string, args ...any) *Error {
	e.Fix = fmt.Sprintf(format, args...)
	return e
}

// Error is the whole text on one line, without the fix.
func (e *Error) Error() string {
	var b strings.Builder
	if e.Cluster != "" {
		fmt.Fprintf(&b, "cluster %s: ", e.Cluster)
	}
	if e.Code != "" {
		fmt.Fprintf(&b, "%s: ", e.Code)
	}
	b.WriteString(e.Message)
	if e.Object != "" {
		fmt.Fprintf(&b, " (%s)", e.Object)
	}
	if e.Cause != nil {
		fmt.Fprintf(&b, ": %v", e.Cause)
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// All returns the problems in err in order, looking through wrapped and joined
// errors. An error that holds no problem is returned as one of kind Bug, or
// Deadline if its context ended.
func All(err error) []*Error {
	if err == nil {
		return nil
	}
	if e, ok := err.(*Error); ok { //nolint:errorlint // the walk below does the unwrapping
		return []*Error{e}
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var all []*Error
		for _, one := range joined.Unwrap() {
			all = append(all, All(one)...)
		}
		return all
	}
	if inner := errors.Unwrap(err); inner != nil {
		var e *Error
		if errors.As(inner, &e) || isJoined(inner) {
			return All(inner)
		}
	}
	kind := Bug
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		kind = Deadline
	}
	return []*Error{{Kind: kind, Message: err.Error()}}
}

func isJoined(err error) bool {
	_, ok := err.(interface{ Unwrap() []error })
	return ok
}

// precedence is the order in which kinds win where several apply.
var precedence = []Kind{Bug, Deadline, Input, Refused, Cluster, Unverified}

// ExitCode is the exit code for err: 0 for nil, else that of the first kind in
// the order 1, 6, 2, 4, 3, 5 which occurs in it.
func ExitCode(err error) int {
	if err == nil {
		return ExitOK
	}
	found := map[Kind]bool{}
	for _, e := range All(err) {
		found[e.Kind] = true
	}
	for _, kind := range precedence {
		if found[kind] {
			return exitCodes[kind]
		}
	}
	return ExitBug
}
