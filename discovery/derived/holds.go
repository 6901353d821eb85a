package derived

import (
	"encoding/json"
	"fmt"

	"github.com/eastwest-mesh/eastwest/internal/subset"
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
	return subset.Holds(have, want), nil
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
