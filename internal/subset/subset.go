// Package subset compares what an object has with what is wanted of it, as maps,
// lists and values that were decoded from JSON. It must not know what the objects
// are.
package subset

// Holds reports whether a value has all that is wanted: maps may have more, since
// other fields are other people's or defaults; lists may not, since one address
// beside the right one is a wrong one. An empty text is as good as none, for those
// who read objects leave it out.
func Holds(have, wanted any) bool {
	switch wanted := wanted.(type) {
	case map[string]any:
		fields, ok := have.(map[string]any)
		if !ok {
			return len(wanted) == 0
		}
		for name, value := range wanted {
			if !Holds(fields[name], value) {
				return false
			}
		}
		return true
	case []any:
		items, ok := have.([]any)
		if !ok || len(items) != len(wanted) {
			return false
		}
		for i := range wanted {
			if !Holds(items[i], wanted[i]) {
				return false
			}
		}
		return true
	}
	return have == wanted || wanted == "" && have == nil
}
