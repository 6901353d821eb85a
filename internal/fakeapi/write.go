package fakeapi

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// write makes one change, or says why not.
func (f *Server) write(w http.ResponseWriter, r *http.Request, to target) {
	text, err := io.ReadAll(r.Body)
	body := map[string]any{}
	if err == nil && len(text) > 0 {
		err = json.Unmarshal(text, &body)
	}
	if err != nil {
		refuse(w, http.StatusBadRequest, "BadRequest")
		return
	}
	f.mu.Lock()
	if f.Writes != nil {
		f.Writes(r)
	}
	answer, code, reason := f.writeLocked(r.Method, to, body)
	f.mu.Unlock()
	if reason != "" {
		refuse(w, code, reason)
		return
	}
	w.Header().Set("Content-Type", runtime.ContentTypeJSON)
	w.WriteHeader(code)
	_, _ = w.Write(encodeJSON(answer))
}

func (f *Server) writeLocked(method string, to target, body map[string]any) (answer any, code int, reason string) {
	if to.name == "" {
		meta, _ := body["metadata"].(map[string]any)
		if to.name, _ = meta["name"].(string); to.name == "" {
			prefix, _ := meta["generateName"].(string)
			to.name = fmt.Sprint(prefix, f.Revision+1)
		}
	}
	key := to.namespace + "/" + to.name
	existing, found := f.Objects[to.path][key]
	switch {
	case method == http.MethodPost && found:
		return nil, http.StatusConflict, "AlreadyExists"
	case method != http.MethodPost && method != http.MethodPatch && !found:
		return nil, http.StatusNotFound, "NotFound"
	case method == http.MethodDelete:
		options := struct{ Preconditions *metav1.Preconditions }{}
		if text, err := json.Marshal(body); err == nil {
			_ = json.Unmarshal(text, &options)
		}
		if p := options.Preconditions; p != nil && p.UID != nil && *p.UID != existing.GetUID() {
			return nil, http.StatusConflict, "Conflict"
		}
		f.deleteLocked(to.path, existing)
		return metav1.Status{Status: metav1.StatusSuccess}, http.StatusOK, ""
	}
	next, reason := merged(to, method, existing, body)
	if reason != "" {
		return nil, http.StatusConflict, reason
	}
	if found && reflect.DeepEqual(fields(to.path, existing), next) {
		return next, http.StatusOK, "" // nothing differs: no event
	}
	object, err := objectOf(to.path, next)
	if err != nil {
		return nil, http.StatusBadRequest, "BadRequest"
	}
	object.SetName(to.name)
	object.SetNamespace(to.namespace)
	f.putLocked(to.path, object)
	code = http.StatusOK
	if !found {
		code = http.StatusCreated
	}
	return fields(to.path, object), code, ""
}

// merged is an object after a write. Whoever applies owns every field but those that
// servers set: there is one manager.
func merged(to target, method string, existing metav1.Object, body map[string]any) (next map[string]any, conflict string) {
	given, _ := body["metadata"].(map[string]any)
	if existing == nil {
		if given == nil {
			given = map[string]any{}
			body["metadata"] = given
		}
		given["creationTimestamp"] = time.Now().UTC().Format(time.RFC3339)
		if to.path == ServicePath {
			allocate(body)
		}
		return normal(to.path, body), ""
	}
	next = fields(to.path, existing)
	meta, _ := next["metadata"].(map[string]any)
	if seen, _ := given["resourceVersion"].(string); seen != "" && seen != existing.GetResourceVersion() {
		return nil, "Conflict"
	}
	for _, field := range []string{"labels", "annotations"} {
		if value, set := given[field]; set || method == http.MethodPut {
			meta[field] = value
		}
	}
	for field, value := range body {
		switch {
		case field == "metadata", field == "apiVersion", field == "kind", to.sub != "" && field != to.sub:
		case to.path == ServicePath && field == "spec":
			spec, _ := value.(map[string]any)
			before, _ := next["spec"].(map[string]any)
			spec["clusterIP"], spec["clusterIPs"] = before["clusterIP"], before["clusterIPs"]
			next[field] = spec
		default:
			next[field] = value
		}
	}
	return normal(to.path, next), ""
}

// allocated makes addresses of Services differ.
func allocate(body map[string]any) {
	spec, _ := body["spec"].(map[string]any)
	if spec == nil || spec["clusterIP"] != nil {
		return
	}
	meta, _ := body["metadata"].(map[string]any)
	sum := 0
	for _, c := range fmt.Sprint(meta["name"]) {
		sum = (sum*31 + int(c)) % 64000
	}
	address := fmt.Sprintf("10.96.%d.%d", sum/250, sum%250+1)
	spec["clusterIP"], spec["clusterIPs"] = address, []any{address}
}

// normal is an object as its type has it, so that equal ones are equal.
func normal(path string, from map[string]any) map[string]any {
	object, err := objectOf(path, from)
	if err != nil {
		return from
	}
	return fields(path, object)
}
