package kubeconfig

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/eastwest-mesh/eastwest/internal/identity"
	"github.com/eastwest-mesh/eastwest/internal/problem"
)

// maxArgument is the longest reference accepted, in bytes: PATH_MAX of Linux
// leaves room for a name and a context.
const maxArgument = 4096

// refFix is the fix line of every reference that cannot be parsed.
const refFix = "write [NAME=]PATH[#CONTEXT]; a path with '=' in its first element starts with ./, a '#' in a path is doubled"

// Ref is one kubeconfig as named on the command line.
type Ref struct {
	// Name is the member's name, or empty where the context decides.
	Name string
	// Path is the file; a leading ~/ is the home directory.
	Path string
	// Context is the context in it, or empty for the current one.
	Context string
}

// ParseRef parses [NAME=]PATH[#CONTEXT].
//
// What stands before the first '=' is a name unless it holds a path separator,
// so that a path with '=' in it is written ./a=b. The first single '#' ends the
// path and all that follows is the context, whatever it holds; a '#' in a path
// is written twice.
func ParseRef(arg string) (Ref, error) {
	if err := CheckArgument(arg); err != nil {
		return Ref{}, err
	}
	ref := Ref{Path: arg}
	if name, path, found := strings.Cut(arg, "="); found && !strings.ContainsAny(name, `/\#`) {
		if err := identity.CheckName(name); err != nil {
			return Ref{}, withFix(err, refFix)
		}
		ref.Name, ref.Path = name, path
	}
	path, context, selected := cutContext(ref.Path)
	switch {
	case path == "":
		return Ref{}, invalidRef(arg, "the path is empty")
	case selected && context == "":
		return Ref{}, invalidRef(arg, "nothing follows the '#'")
	}
	ref.Path, ref.Context = path, context
	return ref, nil
}

// String is the reference in the form that ParseRef reads.
func (r Ref) String() string {
	var b strings.Builder
	if r.Name != "" {
		b.WriteString(r.Name + "=")
	} else if first, _, found := strings.Cut(r.Path, "="); found && !strings.ContainsAny(first, `/\#`) {
		b.WriteString("./")
	}
	b.WriteString(strings.ReplaceAll(r.Path, "#", "##"))
	if r.Context != "" {
		b.WriteString("#" + r.Context)
	}
	return b.String()
}

// CheckArgument rejects an argument of the command line that is not UTF-8, is
// longer than any path, or holds control characters.
func CheckArgument(arg string) error {
	switch {
	case len(arg) > maxArgument:
		return problem.New(problem.Input, "", "argument of %d bytes is longer than %d bytes", len(arg), maxArgument)
	case !utf8.ValidString(arg):
		return problem.New(problem.Input, "", "argument %s is not valid UTF-8", shown(arg))
	case strings.ContainsFunc(arg, unicode.IsControl):
		return problem.New(problem.Input, "", "argument %s holds a control character", shown(arg))
	}
	return nil
}

// cutContext splits at the first single '#' and undoubles the ones before it.
func cutContext(arg string) (path, context string, found bool) {
	var b strings.Builder
	for i := 0; i < len(arg); i++ {
		if arg[i] != '#' {
			b.WriteByte(arg[i])
			continue
		}
		if i+1 == len(arg) || arg[i+1] != '#' {
			return b.String(), arg[i+1:], true
		}
		b.WriteByte('#')
		i++
	}
	return b.String(), "", false
}

func invalidRef(arg, reason string) error {
	return problem.New(problem.Input, "", "%s is no kubeconfig reference: %s", shown(arg), reason).WithFix(refFix)
}
