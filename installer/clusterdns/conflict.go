package clusterdns

import "fmt"

// Conflict is why a place is left as it is though it would be the right one: somebody
// else serves the zone, or changed what is ours.
type Conflict struct {
	// Place and Why are for people.
	Place, Why string
	// Fix is what a person does about it.
	Fix string
}

func (c *Conflict) Error() string { return c.Place + ": " + c.Why }

func taken(place, by string) *Conflict {
	return &Conflict{
		Place: place, Why: "the zone is answered already, by " + by,
		Fix: "take that out of " + place + " and run eastwest up again, or leave it: --dns off",
	}
}

func broken(place string, err error) *Conflict {
	return &Conflict{
		Place: place, Why: err.Error(),
		Fix: fmt.Sprintf("take out what is left between the lines %q and %q, and these", begin, end),
	}
}

func editedSince(place string) *Conflict {
	return &Conflict{
		Place: place, Why: "what eastwest wrote there was edited since",
		Fix: fmt.Sprintf("take it out by hand, with the lines that say eastwest (%q), if there are any; eastwest up writes it anew", begin),
	}
}
