package apply

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"reflect"
	"sort"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// FieldDiff is one field that differs between the cluster and the plan.
type FieldDiff struct {
	Path string `json:"path"`
	// Old and New are JSON, cut to a readable length; empty where the field is absent.
	Old string `json:"old,omitempty"`
	New string `json:"new,omitempty"`
}

// maxValue is how much of a value a diff shows, in bytes; of a text in lines, of which
// only those that differ are shown, it is maxLines.
const (
	maxValue = 120
	maxLines = 600
)

// ignored are the fields the API server writes by itself.
var ignored = map[string]bool{
	"metadata.managedFields": true, "metadata.resourceVersion": true, "metadata.generation": true,
	"metadata.creationTimestamp": true, "metadata.uid": true, "status": true,
}

// diff lists the fields in which two forms of an object differ, sorted.
func diff(live, wanted *unstructured.Unstructured) []FieldDiff {
	var found []FieldDiff
	secret := wanted.GetKind() == "Secret"
	walk("", live.Object, wanted.Object, func(path string, before, after any) {
		limit := maxValue
		if !secret {
			before, after, limit = differing(before, after)
		}
		found = append(found, FieldDiff{Path: path, Old: show(before, secret, path, limit), New: show(after, secret, path, limit)})
	})
	sort.Slice(found, func(i, j int) bool { return found[i].Path < found[j].Path })
	return found
}

func walk(path string, before, after any, report func(path string, before, after any)) {
	if ignored[path] || reflect.DeepEqual(before, after) {
		return
	}
	left, leftIsMap := before.(map[string]any)
	right, rightIsMap := after.(map[string]any)
	if !leftIsMap || !rightIsMap {
		report(path, before, after)
		return
	}
	keys := map[string]bool{}
	for key := range left {
		keys[key] = true
	}
	for key := range right {
		keys[key] = true
	}
	for key := range keys {
		sub := key
		if path != "" {
			sub = path + "." + key
		}
		walk(sub, left[key], right[key], report)
	}
}

// show is a value for people. The content of Secrets is shown as a hash.
func show(value any, secret bool, path string, limit int) string {
	if value == nil {
		return ""
	}
	text, err := json.Marshal(value)
	if err != nil {
		return fmt.Sprint(value)
	}
	if secret && (len(path) >= 4 && path[:4] == "data" || len(path) >= 10 && path[:10] == "stringData") {
		sum := sha256.Sum256(text)
		return "sha256:" + hex.EncodeToString(sum[:6])
	}
	if len(text) > limit {
		return string(text[:limit]) + "..."
	}
	return string(text)
}

// differing cuts two texts in lines down to those between their common beginning and
// their common end; one of which nothing is left is nil. limit is how much of them to
// show.
func differing(before, after any) (left, right any, limit int) {
	old, isText := before.(string)
	wanted, both := after.(string)
	if !isText || !both || !strings.Contains(old, "\n") || !strings.Contains(wanted, "\n") {
		return before, after, maxValue
	}
	a, b := strings.SplitAfter(old, "\n"), strings.SplitAfter(wanted, "\n")
	for len(a) > 0 && len(b) > 0 && a[0] == b[0] {
		a, b = a[1:], b[1:]
	}
	for len(a) > 0 && len(b) > 0 && a[len(a)-1] == b[len(b)-1] {
		a, b = a[:len(a)-1], b[:len(b)-1]
	}
	return lines(a), lines(b), maxLines
}

func lines(all []string) any {
	if len(all) == 0 {
		return nil
	}
	return strings.Join(all, "")
}
