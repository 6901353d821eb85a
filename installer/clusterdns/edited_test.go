package clusterdns

import (
	"errors"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

const plainCorefile = ".:53 {\n    kubernetes cluster.local\n    reload\n}\n"

func named(name, key, text string) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: Namespace, Name: name}, Data: map[string]string{key: text}}
}

// TestACorefileThatWasEditedSince: what others wrote stays, what is ours goes, and
// where that cannot be told apart nothing is done.
func TestACorefileThatWasEditedSince(t *testing.T) {
	t.Parallel()
	replace := func(before, after string) func(string) string {
		return func(text string) string { return strings.Replace(text, before, after, 1) }
	}
	for name, tc := range map[string]struct {
		edit     func(text string) string
		want     string
		conflict string
	}{
		"a server was added behind":      {func(text string) string { return text + "x:53 {\n}\n" }, plainCorefile + "x:53 {\n}\n", ""},
		"a line was added before":        {replace("    reload\n", "    reload\n    log\n"), strings.Replace(plainCorefile, "reload\n", "reload\n    log\n", 1), ""},
		"its last newline was cut":       {func(text string) string { return strings.TrimSuffix(text, "\n") }, plainCorefile, ""},
		"ours was taken out":             {func(string) string { return plainCorefile }, plainCorefile, ""},
		"ours got a line":                {replace("    errors\n", "    errors\n    log\n"), "", "edited since"},
		"ours leads somewhere else":      {replace("10.96.0.53", "10.96.0.99"), "", "edited since"},
		"its end was taken out":          {replace(end+"\n", ""), "", "do not belong together"},
		"its beginning was taken out":    {func(text string) string { return text[strings.Index(text, "clusterset"):] }, "", "do not belong together"},
		"it stands there twice":          {func(text string) string { return text + text }, "", "do not belong together"},
		"its end stands there once more": {func(text string) string { return text + end + "\n" }, "", "do not belong together"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			change, err := corefileHook(named(CoreDNS, corefileKey, plainCorefile), "").Point(target)
			if err != nil {
				t.Fatal(err)
			}
			text := tc.edit(change.ConfigMap.Data[corefileKey])
			change, err = corefileHook(named(CoreDNS, corefileKey, text), "").Restore(target)
			wantChange(t, change, err, corefileKey, tc.want, tc.conflict)
		})
	}
}

// TestStubDomainsThatWereEditedSince is the same of kube-dns.
func TestStubDomainsThatWereEditedSince(t *testing.T) {
	t.Parallel()
	replace := func(before, after string) func(string) string {
		return func(text string) string { return strings.Replace(text, before, after, 1) }
	}
	for name, tc := range map[string]struct {
		before   string
		edit     func(text string) string
		want     string
		conflict string
	}{
		"another was added":          {`{"a.example": ["10.0.0.1"]}`, replace(`{"`, `{"b.example":["10.0.0.2"], "`), `{"b.example":["10.0.0.2"], "a.example": ["10.0.0.1"]}`, ""},
		"it was written in new form": {`{"a.example": ["10.0.0.1"]}`, func(string) string { return `{"a.example":["10.0.0.1"], "clusterset.local": [ "10.96.0.53" ]}` }, `{"a.example":["10.0.0.1"]}`, ""},
		"ours was taken out":         {`{"a.example":["10.0.0.1"]}`, func(string) string { return `{"a.example":["10.0.0.1"]}` }, `{"a.example":["10.0.0.1"]}`, ""},
		"there was none before":      {"", func(text string) string { return text }, "", ""},
		"ours leads somewhere else":  {"", replace("10.96.0.53", "10.96.0.99"), "", "edited since"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			have := named(KubeDNS, stubKey, tc.before)
			if tc.before == "" {
				have.Data = nil
			}
			change, err := stubHook(have).Point(target)
			if err != nil {
				t.Fatal(err)
			}
			change.ConfigMap.Data[stubKey] = tc.edit(change.ConfigMap.Data[stubKey])
			change, err = stubHook(change.ConfigMap).Restore(target)
			wantChange(t, change, err, stubKey, tc.want, tc.conflict)
			if err == nil && len(change.ConfigMap.Annotations) > 0 {
				t.Errorf("annotations stay: %v", change.ConfigMap.Annotations)
			}
		})
	}
}

// TestWhatAPersonEnteredIsLeftAlone: whoever followed the steps has nothing written over
// it, and nothing taken away.
func TestWhatAPersonEnteredIsLeftAlone(t *testing.T) {
	t.Parallel()
	block := Block(target)
	operator := func(upstream string) *unstructured.Unstructured {
		return &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{"servers": []any{map[string]any{
			"name": "theirs", "zones": []any{target.Zone}, "forwardPlugin": map[string]any{"upstreams": []any{upstream}},
		}}}}}
	}
	for name, tc := range map[string]struct {
		hook     Hook
		conflict bool
	}{
		"a Corefile":                    {corefileHook(named(CoreDNS, corefileKey, plainCorefile+block), ""), false},
		"a Corefile, indented":          {corefileHook(named(CoreDNS, corefileKey, strings.ReplaceAll(block, "    ", "\t")+plainCorefile), ""), false},
		"a Corefile, another address":   {corefileHook(named(CoreDNS, corefileKey, plainCorefile+strings.ReplaceAll(block, "0.53", "0.99")), ""), true},
		"a Corefile, a longer address":  {corefileHook(named(CoreDNS, corefileKey, plainCorefile+strings.ReplaceAll(block, "0.53", "0.53 10.96.0.54")), ""), true},
		"custom servers":                {customHook(named(Custom, "theirs.server", block)), false},
		"custom servers, another":       {customHook(named(Custom, "theirs.server", strings.ReplaceAll(block, "0.53", "0.99"))), true},
		"stub domains":                  {stubHook(named(KubeDNS, stubKey, `{"clusterset.local":["10.96.0.53"]}`)), false},
		"an operator":                   {operatorHook(operator("10.96.0.53")), false},
		"an operator, another upstream": {operatorHook(operator("10.96.0.99")), true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			change, err := tc.hook.Point(target)
			var conflict *Conflict
			if errors.As(err, &conflict) != tc.conflict || !tc.conflict && !change.Same {
				t.Errorf("point: %+v, %v", change, err)
			}
			if change, err := tc.hook.Restore(target); err != nil || !change.Same {
				t.Errorf("restore: %+v, %v", change, err)
			}
		})
	}
}

func wantChange(t *testing.T, change Change, err error, key, want, conflict string) {
	t.Helper()
	var refusal *Conflict
	if conflict != "" {
		if !errors.As(err, &refusal) || !strings.Contains(err.Error(), conflict) || refusal.Fix == "" {
			t.Errorf("got %v, want a conflict %q with a fix", err, conflict)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if got, found := change.ConfigMap.Data[key]; got != want || found != (want != "") {
		t.Errorf("got %q, want %q", got, want)
	}
}
