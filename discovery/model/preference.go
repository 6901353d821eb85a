package model

import "strings"

// Preference is which members' endpoints of a service are used first, in the plain
// form of package internal/preference. Empty: nobody said.
type Preference string

// Or is the preference, or another one where nobody said.
func (p Preference) Or(other Preference) Preference {
	if p != "" {
		return p
	}
	return other
}

// Rank is the place of a member's endpoints for who asks: those of rank 0 are used
// first, and others only where these are too few. Without a preference all are 0.
func (p Preference) Rank(member *Member, from Vantage) int {
	if p == "" || p == "none" {
		return 0
	}
	rank := 0
	for term := range strings.SplitSeq(string(p), ",") {
		if matches(term, member, from) {
			break
		}
		rank++
	}
	return rank
}

func matches(term string, member *Member, from Vantage) bool {
	word, name, named := strings.Cut(term, "=")
	switch {
	case word == "own":
		return member.Name == from.Member
	case word == "member":
		return string(member.Name) == name
	case named:
		return member.Region == name
	}
	// A region is only known where somebody said so.
	return member.Name == from.Member || member.Region == from.Region && member.Region != ""
}
