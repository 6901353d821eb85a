package replay

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
)

// Object is anything that an API server keeps.
type Object interface {
	runtime.Object
	metav1.Object
}

// record is a state of an object, with what is sent of it, encoded when it is first
// asked for.
type record struct {
	object  Object
	once    [len(encodings)]sync.Once
	encoded [len(encodings)][]byte
}

func (r *record) bytes(as encoding) []byte {
	at := as.index()
	r.once[at].Do(func() {
		content, err := as.object(as.form(r.object))
		if err != nil {
			panic(err) // it is one of Kubernetes' own types
		}
		r.encoded[at] = content
	})
	return r.encoded[at]
}

// change is something that happened to a record.
type change struct {
	kind    watch.EventType
	version int64
	*record
}

// table is one resource: what there is, and what happened.
type table struct {
	kind schema.GroupVersionKind
	// mu guards what follows.
	mu      sync.RWMutex
	keys    []string // sorted
	records map[string]*record
	// log has all changes since since.
	log   []change
	since int64
	// more is closed, and made anew, with every change.
	more chan struct{}
}

// first is the version of a server that has nothing yet.
const first = 1000

// logged is how many changes are remembered; whoever is behind them lists again.
const logged = 100_000

func newTable(kind schema.GroupVersionKind) *table {
	return &table{kind: kind, since: first, records: map[string]*record{}, more: make(chan struct{})}
}

func keyOf(one metav1.Object) string { return one.GetNamespace() + "/" + one.GetName() }

// load keeps objects without a word to anybody: they were there before.
func (t *table) load(version int64, all []Object) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, one := range all {
		t.records[keyOf(one)] = t.recordOf(one, version)
		t.keys = append(t.keys, keyOf(one))
	}
	slices.Sort(t.keys)
	t.keys = slices.Compact(t.keys)
	t.since, t.log = version, nil
}

// put makes an object, or changes it.
func (t *table) put(version int64, one Object) {
	t.mu.Lock()
	defer t.mu.Unlock()
	made := t.recordOf(one, version)
	kind := watch.Modified
	if at, found := slices.BinarySearch(t.keys, keyOf(one)); !found {
		kind, t.keys = watch.Added, slices.Insert(t.keys, at, keyOf(one))
	}
	t.records[keyOf(one)] = made
	t.tellLocked(change{kind, version, made})
}

// remove deletes an object that is there.
func (t *table) remove(version int64, key string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	was, found := t.records[key]
	if !found {
		return
	}
	delete(t.records, key)
	at, _ := slices.BinarySearch(t.keys, key)
	t.keys = slices.Delete(t.keys, at, at+1)
	last, is := was.object.DeepCopyObject().(Object)
	if !is {
		panic(fmt.Sprintf("%T is no object", was.object))
	}
	t.tellLocked(change{watch.Deleted, version, t.recordOf(last, version)})
}

// recordOf is an object as it is from a version on.
func (t *table) recordOf(one Object, version int64) *record {
	one.GetObjectKind().SetGroupVersionKind(t.kind)
	one.SetResourceVersion(strconv.FormatInt(version, 10))
	return &record{object: one}
}

func (t *table) tellLocked(one change) {
	if len(t.log) == logged {
		t.since = t.log[0].version
		t.log = t.log[1:]
	}
	t.log = append(t.log, one)
	close(t.more)
	t.more = make(chan struct{})
}

// page are the records from a place on that a request selects, at most limit, and the
// place after them; 0 where there are no more.
func (t *table) page(which *selection, from, limit int) (page []*record, next int) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	for at := from; at < len(t.keys); at++ {
		if one := t.records[t.keys[at]]; which.matches(one.object) {
			if limit > 0 && len(page) == limit {
				return page, at
			}
			page = append(page, one)
		}
	}
	return page, 0
}

// after are the changes after a version, and what is closed with the next one; false
// where they are not remembered.
func (t *table) after(version int64) (changes []change, more <-chan struct{}, known bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	at, _ := slices.BinarySearchFunc(t.log, version+1, func(one change, version int64) int { return int(one.version - version) })
	return t.log[at:], t.more, version >= t.since
}

func (t *table) get(key string) *record {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.records[key]
}

// selection is what a request asks for.
type selection struct {
	namespace string
	labels    labels.Selector
	fields    fields.Selector
}

func (s *selection) matches(one Object) bool {
	return (s.namespace == "" || s.namespace == one.GetNamespace()) &&
		s.labels.Matches(labels.Set(one.GetLabels())) && s.fields.Matches(fieldsOf(one))
}

// fieldsOf are those that can be selected by.
func fieldsOf(one Object) fields.Set {
	out := fields.Set{"metadata.name": one.GetName(), "metadata.namespace": one.GetNamespace()}
	switch typed := one.(type) {
	case *corev1.Pod:
		out["status.phase"], out["spec.nodeName"] = string(typed.Status.Phase), typed.Spec.NodeName
	case *corev1.Secret:
		out["type"] = string(typed.Type)
	}
	return out
}

// selected reads the selectors of a request.
func selected(namespace, labelText, fieldText string) (*selection, error) {
	byLabel, err := labels.Parse(labelText)
	if err != nil {
		return nil, fmt.Errorf("read the label selector: %w", err)
	}
	byField, err := fields.ParseSelector(fieldText)
	if err != nil {
		return nil, fmt.Errorf("read the field selector: %w", err)
	}
	for _, one := range byField.Requirements() {
		if !strings.HasPrefix(one.Field, "metadata.") && one.Field != "status.phase" && one.Field != "spec.nodeName" && one.Field != "type" {
			return nil, fmt.Errorf("field %q cannot be selected by", one.Field)
		}
	}
	return &selection{namespace, byLabel, byField}, nil
}
