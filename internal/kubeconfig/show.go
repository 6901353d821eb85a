package kubeconfig

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/eastwest-mesh/eastwest/internal/problem"
)

const (
	// maxShown bounds a foreign name in a message, in bytes.
	maxShown = 128
	// maxListed bounds a list of names in a message.
	maxListed = 20
)

// shown quotes a name from outside so that it is safe and short in a message.
// It is for names and paths only, never for the value of another field.
func shown(name string) string {
	if len(name) > maxShown {
		return strconv.QuoteToASCII(name[:maxShown]) + fmt.Sprintf("... (%d bytes)", len(name))
	}
	return strconv.QuoteToASCII(name)
}

// listed joins names in order, the first ones of very many.
func listed(names []string) string {
	names = slices.Sorted(slices.Values(names))
	rest := 0
	if len(names) > maxListed {
		rest, names = len(names)-maxListed, names[:maxListed]
	}
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = shown(name)
	}
	text := strings.Join(quoted, ", ")
	if rest > 0 {
		text += fmt.Sprintf(" and %d more", rest)
	}
	return text
}

// reject is a problem with a kubeconfig: input that was turned down before any
// cluster was contacted.
func reject(code, format string, args ...any) *problem.Error {
	return problem.New(problem.Input, code, format, args...)
}

// located names the file or the context a rejection is about, once.
func located(err error, object string) error {
	var p *problem.Error
	if errors.As(err, &p) && p.Object == "" && object != "" {
		p.Object = object
	}
	return err
}

// withFix replaces the fix line of a problem.
func withFix(err error, fix string) error {
	var p *problem.Error
	if errors.As(err, &p) {
		p.Fix = fix
	}
	return err
}
