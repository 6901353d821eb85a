// Package identity owns the rule for member names: what a valid one is, how one
// is made from the name of a kubeconfig context, and how clashes are resolved.
// It knows no cluster; a cluster's ID, which its own istiod decides, is not a
// name and is never made here.
package identity

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/eastwest-mesh/eastwest/internal/problem"
)

const (
	maxLabel = validation.DNS1123LabelMaxLength
	// keptOfLong and digestOfLong are what asmcli takes of a name that is too
	// long, so that both make the same one.
	keptOfLong, digestOfLong = 42, 20
)

// CheckName requires a DNS-1123 label, and names the rule and the first byte
// that breaks it.
func CheckName(name string) error {
	if len(validation.IsDNS1123Label(name)) == 0 {
		return nil
	}
	reason := "is empty"
	if len(name) > maxLabel {
		reason = fmt.Sprintf("has %d bytes, more than %d", len(name), maxLabel)
	} else if i := offending(name); i >= 0 {
		reason = fmt.Sprintf("has %s at position %d", strconv.QuoteToASCII(name[i:i+1]), i+1)
	}
	shown := strconv.QuoteToASCII(name[:min(len(name), maxLabel)])
	return problem.New(problem.Input, "", "name %s %s: a name is a DNS label of a-z, 0-9 and '-', "+
		"starting and ending with a letter or digit, of at most %d characters", shown, reason, maxLabel)
}

// offending is the index of the first byte a label may not have there, or -1.
func offending(name string) int {
	for i := range len(name) {
		dash := name[i] == '-' && i > 0 && i < len(name)-1
		if !alphanumeric(rune(name[i])) && !dash {
			return i
		}
	}
	return -1
}

func alphanumeric(c rune) bool { return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' }

// MemberName makes a valid member name from the name of a context: lower-case,
// with '-' for every run of other characters. A context of gcloud,
// gke_PROJECT_LOCATION_NAME, becomes the guide's cn-PROJECT-LOCATION-NAME. A
// long name is shortened with a digest of the whole, in the form of asmcli.
func MemberName(context string) string {
	if rest, found := strings.CutPrefix(context, "gke_"); found && strings.Count(rest, "_") >= 2 {
		context = "cn_" + rest
	}
	name := label(context)
	if name == "" {
		return "cluster-" + digest(context, 8)
	}
	if len(name) > maxLabel {
		name = name[:keptOfLong] + "-" + digest(name, digestOfLong)
	}
	return name
}

// label lower-cases text and puts one '-' for every run of invalid characters.
func label(text string) string {
	var b strings.Builder
	for _, c := range strings.ToLower(text) {
		switch {
		case alphanumeric(c):
			b.WriteRune(c)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
	}
	return strings.TrimSuffix(b.String(), "-")
}

// digest is the start of the hexadecimal SHA-256 of text and a line break, as
// sha256sum prints it for the output of echo.
func digest(text string, length int) string {
	sum := sha256.Sum256([]byte(text + "\n"))
	return hex.EncodeToString(sum[:])[:length]
}

// UniqueNames returns names with -2, -3 and so on behind those that were there
// already, in order, so that the first of equal names keeps its own. No new name
// equals any of the given ones.
func UniqueNames(names []string) []string {
	given := map[string]bool{}
	for _, name := range names {
		given[name] = true
	}
	used := map[string]bool{}
	unique := make([]string, len(names))
	for i, name := range names {
		unique[i] = name
		for n := 2; used[unique[i]]; n++ {
			if next := suffixed(name, n); !given[next] {
				unique[i] = next
			}
		}
		used[unique[i]] = true
	}
	return unique
}

// suffixed appends a number and keeps the name a label.
func suffixed(name string, n int) string {
	suffix := "-" + strconv.Itoa(n)
	if room := maxLabel - len(suffix); len(name) > room {
		name = strings.TrimRight(name[:room], "-")
	}
	return name + suffix
}
