package mcs

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	api "sigs.k8s.io/mcs-api/pkg/apis/v1beta1"
)

// holds reports whether an object is as we would apply it: its spec, and of its
// labels and annotations those that are ours. Other people's are theirs.
func holds(have, want *unstructured.Unstructured) bool {
	owned := ownedMetadata(have)
	return reflect.DeepEqual(have.Object["spec"], want.Object["spec"]) &&
		holdsMap(have.GetLabels(), want.GetLabels(), owned.Labels) &&
		holdsMap(have.GetAnnotations(), want.GetAnnotations(), owned.Annotations)
}

// holdsMap wants all wanted values, and none besides that we own.
func holdsMap(have, want map[string]string, owned map[string]json.RawMessage) bool {
	for key, value := range want {
		if found, exists := have[key]; !exists || found != value {
			return false
		}
	}
	for field := range owned {
		if key, isKey := strings.CutPrefix(field, "f:"); isKey {
			if _, wanted := want[key]; !wanted {
				return false
			}
		}
	}
	return true
}

// metadata are the fields of an object's metadata that somebody owns.
type metadata struct {
	Labels      map[string]json.RawMessage `json:"f:labels"`
	Annotations map[string]json.RawMessage `json:"f:annotations"`
}

// ownedMetadata are the fields that we applied.
func ownedMetadata(of *unstructured.Unstructured) metadata {
	for _, entry := range of.GetManagedFields() {
		if entry.Manager != manager || entry.Operation != metav1.ManagedFieldsOperationApply || entry.Subresource != "" || entry.FieldsV1 == nil {
			continue
		}
		var fields struct {
			Metadata metadata `json:"f:metadata"`
		}
		if json.Unmarshal(entry.FieldsV1.GetRawBytes(), &fields) == nil {
			return fields.Metadata
		}
	}
	return metadata{}
}

// ownTypes are those of all conditions that we write.
var ownTypes = []string{
	string(api.ServiceExportConditionValid), string(api.ServiceExportConditionReady), string(api.ServiceExportConditionConflict),
	Reachable, Managed, NamesIncomplete, PortsReachable, WithinLimits, Warning,
}

// holdsStatus reports whether an object's status is as we would apply it. Of the
// conditions only ours count.
func holdsStatus(have, want *unstructured.Unstructured) bool {
	before, _, _ := unstructured.NestedMap(have.Object, "status")
	after, _, _ := unstructured.NestedMap(want.Object, "status")
	wanted := conditionsOf(want)
	ours := slices.DeleteFunc(conditionsOf(have), func(one metav1.Condition) bool { return !slices.Contains(ownTypes, one.Type) })
	byType(ours)
	byType(wanted)
	delete(before, "conditions")
	delete(after, "conditions")
	return equalConditions(ours, wanted) && (len(before) == 0 && len(after) == 0 || reflect.DeepEqual(before, after))
}

func equalConditions(a, b []metav1.Condition) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i].Type != b[i].Type || a[i].Status != b[i].Status || a[i].Reason != b[i].Reason || a[i].Message != b[i].Message {
			return false
		}
	}
	return true
}

// conditionsOf reads those that can be read.
func conditionsOf(object *unstructured.Unstructured) []metav1.Condition {
	list, _, _ := unstructured.NestedSlice(object.Object, "status", "conditions")
	text, err := json.Marshal(list)
	if err != nil {
		return nil
	}
	var out []metav1.Condition
	if json.Unmarshal(text, &out) != nil {
		return nil
	}
	return out
}

// lasting gives conditions the times at which they became what they are.
func lasting(wanted, before []metav1.Condition, now metav1.Time) []metav1.Condition {
	out := make([]metav1.Condition, len(wanted))
	for i, one := range wanted {
		one.LastTransitionTime = now
		if last := meta.FindStatusCondition(before, one.Type); last != nil && last.Status == one.Status {
			one.LastTransitionTime = last.LastTransitionTime
		}
		out[i] = one
	}
	byType(out)
	return out
}
