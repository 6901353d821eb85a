// Package strictyaml decodes a configuration file that somebody wrote by hand,
// and says everything that is wrong with its shape at once: unknown keys,
// repeated keys and values of a wrong type, each with its line where that is
// known. What the values mean is the business of those who read the file.
package strictyaml

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	yamlv3 "go.yaml.in/yaml/v3"
	strictjson "sigs.k8s.io/json"
	"sigs.k8s.io/yaml"
)

// MaxSize bounds a file, in bytes.
const MaxSize = 1 << 20

// maxExpanded bounds a file whose aliases are replaced by what they stand for,
// in nodes and bytes.
const maxExpanded = 4 * MaxSize

// Decode decodes text into a value and returns all that is wrong, in the order
// of lines. What could be decoded is in the value even where something is wrong,
// so that the reader can go on to judge it.
func Decode(text []byte, into any) []error {
	if len(text) > MaxSize {
		return []error{fmt.Errorf("larger than %d bytes", MaxSize)}
	}
	var root yamlv3.Node
	if err := yamlv3.Unmarshal(text, &root); err != nil {
		return []error{errors.New(oneLine(err, "yaml: "))}
	}
	if len(root.Content) == 0 {
		return []error{errors.New("empty")}
	}
	if root.Content[0].Kind != yamlv3.MappingNode {
		return []error{errors.New("not a mapping")}
	}
	if budget := maxExpanded; !fits(&root, 0, &budget) {
		return []error{errors.New("nested too deeply, or its aliases expand to too much")}
	}
	found := repeated(root.Content[0], "")
	asJSON, err := yaml.YAMLToJSON(text)
	if err != nil {
		return append(messages(found), errors.New(oneLine(err, "error converting YAML to JSON: ")))
	}
	unknown, wrong := decodeAll(asJSON, root.Content[0], into)
	found = append(found, wrong...)
	for _, one := range unknown {
		path, unquoteErr := strconv.Unquote(strings.TrimPrefix(one.Error(), "unknown field "))
		if unquoteErr != nil {
			path = ""
		}
		found = append(found, flaw{lineOf(root.Content[0], path), one.Error()})
	}
	slices.SortStableFunc(found, func(a, b flaw) int { return a.line - b.line })
	return messages(found)
}

// flaw is one thing that is wrong, and its line; 0 where that is not known.
type flaw struct {
	line int
	text string
}

func messages(found []flaw) []error {
	var all []error
	for _, one := range found {
		if one.line > 0 {
			all = append(all, fmt.Errorf("line %d: %s", one.line, one.text))
		} else {
			all = append(all, errors.New(one.text))
		}
	}
	return all
}

// decodeAll decodes with the values left out that have a wrong type: the decoder
// stops at the first of them and then says nothing of unknown keys.
func decodeAll(text []byte, root *yamlv3.Node, into any) (unknown []error, wrong []flaw) {
	const most = 20
	for {
		fresh := reflect.New(reflect.TypeOf(into).Elem())
		unknown, err := strictjson.UnmarshalStrict(text, fresh.Interface(), strictjson.DisallowUnknownFields)
		if err == nil {
			reflect.ValueOf(into).Elem().Set(fresh.Elem())
			return unknown, wrong
		}
		var mistyped *json.UnmarshalTypeError
		if !errors.As(err, &mistyped) {
			return nil, append(wrong, flaw{0, oneLine(err, "json: ")})
		}
		wrong = append(wrong, wrongType(root, mistyped))
		var tree map[string]any
		if json.Unmarshal(text, &tree) != nil || !without(tree, mistyped.Field) || len(wrong) == most {
			return nil, wrong
		}
		if text, err = json.Marshal(tree); err != nil {
			return nil, wrong
		}
	}
}

// without takes the value at a path out of a tree. The decoder's paths have no
// indices: of a list, all of the elements lose the value.
func without(node any, path string) bool {
	switch typed := node.(type) {
	case map[string]any:
		key, rest, deeper := strings.Cut(path, ".")
		if inner, found := typed[key]; found && deeper {
			return without(inner, rest)
		} else if !found {
			return false
		}
		delete(typed, key)
		return true
	case []any:
		removed := false
		for _, element := range typed {
			removed = without(element, path) || removed
		}
		return removed
	}
	return false
}

// wrongType says of a value what it should have been, without Go's own names.
func wrongType(root *yamlv3.Node, wrong *json.UnmarshalTypeError) flaw {
	kind := map[reflect.Kind]string{
		reflect.String: "a text", reflect.Int64: "a whole number", reflect.Bool: "true or false",
		reflect.Slice: "a list", reflect.Struct: "a mapping", reflect.Map: "a mapping",
	}[wrong.Type.Kind()]
	return flaw{lineOf(root, wrong.Field), fmt.Sprintf("%q must be %s, not %s", wrong.Field, kind, wrong.Value)}
}

// fits reports whether a document stays within a depth and a budget once its
// aliases are replaced. An alias that holds itself runs out of depth.
func fits(node *yamlv3.Node, depth int, budget *int) bool {
	const maxDepth = 64
	*budget -= 1 + len(node.Value)
	if depth > maxDepth || *budget < 0 {
		return false
	}
	if node.Kind == yamlv3.AliasNode {
		return fits(node.Alias, depth+1, budget)
	}
	for _, child := range node.Content {
		if !fits(child, depth+1, budget) {
			return false
		}
	}
	return true
}

// repeated finds keys that are in a mapping twice; the decoder would silently
// take the last one.
func repeated(node *yamlv3.Node, path string) []flaw {
	var found []flaw
	switch node.Kind {
	case yamlv3.MappingNode:
		seen := map[string]bool{}
		for i := 0; i+1 < len(node.Content); i += 2 {
			key := node.Content[i]
			inner := strings.TrimPrefix(path+"."+key.Value, ".")
			if seen[key.Value] {
				found = append(found, flaw{key.Line, fmt.Sprintf("duplicate field %q", inner)})
			}
			seen[key.Value] = true
			found = append(found, repeated(node.Content[i+1], inner)...)
		}
	case yamlv3.SequenceNode:
		for i, child := range node.Content {
			found = append(found, repeated(child, fmt.Sprintf("%s[%d]", path, i))...)
		}
	}
	return found
}

func oneLine(err error, prefix string) string {
	return strings.Join(strings.Fields(strings.TrimPrefix(err.Error(), prefix)), " ")
}

// lineOf is the line of the mapping key at a path like members.namespace or
// exports.policy[0].name, 0 if it cannot be found. Keys may hold dots.
func lineOf(node *yamlv3.Node, path string) int {
	if node.Kind == yamlv3.AliasNode {
		node = node.Alias
	}
	if node.Kind == yamlv3.SequenceNode {
		index, rest, _ := strings.Cut(strings.TrimPrefix(path, "["), "]")
		number, err := strconv.Atoi(index)
		if err != nil || number < 0 || number >= len(node.Content) {
			return 0
		}
		return lineOf(node.Content[number], strings.TrimPrefix(rest, "."))
	}
	if node.Kind != yamlv3.MappingNode || path == "" {
		return 0
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		rest, found := strings.CutPrefix(path, node.Content[i].Value)
		switch {
		case !found:
		case rest == "":
			return node.Content[i].Line
		case rest[0] == '.' || rest[0] == '[':
			if line := lineOf(node.Content[i+1], strings.TrimPrefix(rest, ".")); line > 0 {
				return line
			}
		}
	}
	return 0
}
