// Package judge owns what a verdict is: checks in the order in which a request
// meets what they are about, and the first of them that does not hold. It owns
// the statistics of the shared service too. It is pure, and knows no data plane:
// what there is to check is the business of the package of each.
//
// A check breaks a link only on positive evidence that also explains what the
// request met. What nothing explains is told by the checks marked as symptoms,
// which name the place where it stops.
package judge

// Hop is a stretch of the way from consumer to producer.
type Hop string

// Check is one thing that must be so for a link to work. L is what was seen of
// one.
type Check[L any] struct {
	// ID is stable: scripts and documents refer to it.
	ID  string
	Hop Hop
	// Claim is what holds in a working mesh, Hint where to read on or look.
	Claim, Hint string
	// Symptom says that it only tells where a request stops, as one proxy that
	// may lag behind sees it; a check that tells why goes before it.
	Symptom bool
	// Test says how it does not hold; nil where it does, or where nobody knows.
	Test func(L) *Broken
}

// Broken is a check that does not hold.
type Broken struct {
	// Cluster is where it has to be mended, Object what.
	Cluster, Object string
	// Seen is what was found instead of the claim, Evidence the readings.
	Seen     string
	Evidence []string
	Fix      string
	// Final says that waiting longer cannot change it.
	Final bool
}

// Verdict is a broken check.
type Verdict struct {
	ID          string
	Hop         Hop
	Claim, Hint string
	Symptom     bool
	Broken
}

// Verdict is that a check does not hold.
func (c Check[L]) Verdict(b Broken) Verdict {
	return Verdict{ID: c.ID, Hop: c.Hop, Claim: c.Claim, Hint: c.Hint, Symptom: c.Symptom, Broken: b}
}

// First is the first check that does not hold, symptoms after all others; false
// where all hold.
func First[L any](checks []Check[L], l L) (Verdict, bool) {
	for _, symptom := range []bool{false, true} {
		for _, c := range checks {
			if c.Symptom != symptom {
				continue
			}
			if b := c.Test(l); b != nil {
				return c.Verdict(*b), true
			}
		}
	}
	return Verdict{}, false
}

// All are the checks that do not hold.
func All[L any](checks []Check[L], l L) []Verdict {
	var all []Verdict
	for _, c := range checks {
		if b := c.Test(l); b != nil {
			all = append(all, c.Verdict(*b))
		}
	}
	return all
}

// IDs are those of checks, in their order.
func IDs[L any](checks []Check[L]) []string {
	ids := make([]string, len(checks))
	for i, c := range checks {
		ids[i] = c.ID
	}
	return ids
}
