package derived

import (
	"encoding/json"
	"fmt"
)

// holds reports whether an object has everything that a configuration applies:
// then writing it would change nothing. Fields that the configuration does not
// name are other people's, or defaults.
func holds(object, configuration any) (bool, error) {
	have, err := generic(object)
	if err != nil {
		return false, err
	}
	want, err := generic(configuration)
	if err != nil {
		return false, err
	}
	return subset(want, have), nil
}

func generic(value any) (map[string]any, error) {
	text, err := json.Marshal(value)
	if err != nil {
		return nil, fmt.Errorf("encode %T: %w", value, err)
	}
	var out map[string]any
	if err := json.Unmarshal(text, &out); err != nil {
		return nil, fmt.Errorf("decode %T: %w", value, err)
	}
	delete(out, "apiVersion") // typed objects that were read have neither
	delete(out, "kind")
	return out, nil
}

// subset compares maps by the keys of want, and lists as wholes.
func subset(want, have any) bool {
	switch want := want.(type) {
	case map[string]any:
		have, ok := have.(map[string]any)
		if !ok {
			return len(want) == 0
		}
		for key, value := range want {
			if !subset(value, have[key]) {
				return false
			}
		}
		return true
	case []any:
		have, ok := have.([]any)
		if !ok || len(have) != len(want) {
			return false
		}
		for i := range want {
			if !subset(want[i], have[i]) {
				return false
			}
		}
		return true
	}
	// An empty text is left out by those who read it.
	return want == have || want == "" && have == nil
}
