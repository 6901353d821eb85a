package watch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Reason is a word for why a member, or one resource of it, is not watched.
type Reason string

// The reasons of faults.
const (
	Unreachable     Reason = "Unreachable"
	Unauthorized    Reason = "Unauthorized"
	Forbidden       Reason = "Forbidden"
	Throttled       Reason = "Throttled"
	ServerError     Reason = "ServerError"
	Garbled         Reason = "ProtocolError"
	TooLarge        Reason = "TooLarge"
	Stalled         Reason = "Stalled"
	ListHeld        Reason = "ListHeld"
	Missing         Reason = "APIMissing"
	IdentityChanged Reason = "IdentityChanged"
)

// Fault is why a member, or one resource of it, is not watched at the moment.
type Fault struct {
	// Resource is what cannot be watched; empty where it is the member itself.
	Resource string
	Reason   Reason
	Message  string
	// Since is when it began.
	Since time.Time

	status     int
	retryAfter time.Duration
}

func (f *Fault) Error() string {
	if f.Resource != "" {
		return fmt.Sprintf("%s of %s: %s", f.Reason, f.Resource, f.Message)
	}
	return fmt.Sprintf("%s: %s", f.Reason, f.Message)
}

// statusFault reads an answer that is none. Its text is foreign: it is shown without
// secrets, and cut short.
func statusFault(response *http.Response, from io.Reader, secrets *strings.Replacer) *Fault {
	fault := &Fault{Reason: ServerError, Message: fmt.Sprintf("%.80s", secrets.Replace(response.Status)), status: response.StatusCode}
	switch code := response.StatusCode; {
	case code == http.StatusUnauthorized:
		fault.Reason = Unauthorized
	case code == http.StatusForbidden:
		fault.Reason = Forbidden
	case code == http.StatusTooManyRequests:
		fault.Reason = Throttled
	case code >= 300 && code < 400:
		fault.Message += ", and redirects are not followed"
	}
	if after, err := strconv.Atoi(response.Header.Get("Retry-After")); err == nil && after > 0 {
		fault.retryAfter = time.Duration(min(after, 3600)) * time.Second
	}
	content, err := readAll(from, maxStatus)
	var status metav1.Status
	if err == nil && decodeUnknown(content, "Status", &status) == nil && status.Message != "" {
		fault.Message = fmt.Sprintf("%.200q", secrets.Replace(status.Message))
	}
	return fault
}

// faultOf gives an error of reading a body its reason.
func faultOf(err error) *Fault {
	var fault *Fault
	switch {
	case errors.As(err, &fault):
		return fault
	case errors.Is(err, errTooLarge):
		return &Fault{Reason: TooLarge, Message: err.Error()}
	case errors.Is(err, errStalled) || errors.Is(err, context.DeadlineExceeded):
		return &Fault{Reason: Stalled, Message: err.Error()}
	case errors.Is(err, errGarbled):
		return &Fault{Reason: Garbled, Message: err.Error()}
	}
	return &Fault{Reason: Unreachable, Message: err.Error()}
}
