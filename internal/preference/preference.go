// Package preference owns how people write which members' endpoints of a service are
// used first: in the mesh file, in an agent's configuration and on a ServiceExport. It
// must not know members, nor who chooses by it.
package preference

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// The words of a preference.
const (
	// None: endpoints of all members are used alike.
	None = "none"
	// Nearest is short for own,region.
	Nearest = "nearest"
	// Own is the member that asks.
	Own = "own"
	// Region is the members in the region of the one that asks; with =NAME those in
	// that region.
	Region = "region"
	// Member, with =NAME, is one member.
	Member = "member"
)

const (
	mostTerms = 16
	mostBytes = 63
)

// Parse reads a preference and returns it in its plain form: none, or terms in order,
// separated by commas, each of which is own, region, region=NAME or member=NAME. What
// no term names comes last. Empty stays empty: nothing is said.
func Parse(text string) (string, error) {
	switch text = strings.TrimSpace(text); text {
	case "", None:
		return text, nil
	case Nearest:
		return Own + "," + Region, nil
	}
	terms := strings.Split(text, ",")
	if len(terms) > mostTerms {
		return "", fmt.Errorf("it has %d terms, more than %d", len(terms), mostTerms)
	}
	for i := range terms {
		terms[i] = strings.TrimSpace(terms[i])
		if err := check(terms[i]); err != nil {
			return "", err
		}
		if slices.Contains(terms[:i], terms[i]) {
			return "", fmt.Errorf("%q is in it twice", terms[i])
		}
	}
	return strings.Join(terms, ","), nil
}

var errTerm = errors.New("is none of none, nearest, or a list of own, region, region=NAME and member=NAME")

func check(term string) error {
	word, name, named := strings.Cut(term, "=")
	switch {
	case !named && (word == Own || word == Region):
		return nil
	case named && (word == Region || word == Member) && valid(name):
		return nil
	}
	return fmt.Errorf("%q %w", term[:min(len(term), mostBytes)], errTerm)
}

// valid holds for all that can be the value of a label, as regions are.
func valid(name string) bool {
	if name == "" || len(name) > mostBytes {
		return false
	}
	return !strings.ContainsFunc(name, func(r rune) bool {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
		return !letter && r != '-' && r != '_' && r != '.'
	})
}
