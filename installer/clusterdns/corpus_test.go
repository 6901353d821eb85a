package clusterdns

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/eastwest-mesh/eastwest/internal/golden"
)

var target = Target{Zone: "clusterset.local", Servers: []string{"10.96.0.53"}}

// situation is the file cluster.yaml of a case.
type situation struct {
	ConfigMaps []corev1.ConfigMap `json:"configMaps"`
	KubeDNS    bool               `json:"kubeDNS"`
	Operator   map[string]any     `json:"operator"`
}

func (s *situation) facts() Facts {
	f := Facts{ConfigMaps: map[string]*corev1.ConfigMap{}, KubeDNS: s.KubeDNS}
	for i := range s.ConfigMaps {
		s.ConfigMaps[i].Namespace = Namespace
		f.ConfigMaps[s.ConfigMaps[i].Name] = &s.ConfigMaps[i]
	}
	if s.Operator != nil {
		f.Operator = &unstructured.Unstructured{Object: s.Operator}
	}
	return f
}

// take makes a change.
func (f *Facts) take(change Change) {
	switch {
	case change.Operator != nil:
		f.Operator = change.Operator
	case change.ConfigMap == nil:
	case change.Delete:
		delete(f.ConfigMaps, change.ConfigMap.Name)
	default:
		f.ConfigMaps[change.ConfigMap.Name] = change.ConfigMap
	}
}

// TestCorpus enters the zone: testdata/*.txtar, cluster.yaml in, what is written out.
// To enter it again must change nothing, and to take it back must leave what was
// there.
func TestCorpus(t *testing.T) {
	t.Parallel()
	golden.Corpus(t, "testdata/*.txtar", func(t *testing.T, in *golden.Case) map[string][]byte {
		text, _ := in.Input("cluster.yaml")
		var asked, before situation
		if err := errors.Join(yaml.UnmarshalStrict(text, &asked), yaml.UnmarshalStrict(text, &before)); err != nil {
			t.Fatal(err)
		}
		facts := asked.facts()
		hooks, err := Hooks(facts)
		var unsupported *Unsupported
		if errors.As(err, &unsupported) {
			return map[string][]byte{"steps.txt": fmt.Appendf(nil, "%s\n%q\n", err, unsupported.Steps)}
		}
		var out bytes.Buffer
		for _, hook := range hooks {
			change, err := hook.Point(target)
			if err != nil {
				return map[string][]byte{"error.txt": []byte(err.Error() + "\n")}
			}
			facts.take(change)
			fmt.Fprintf(&out, "# %s\n", hook.Place)
			if change.Operator != nil {
				show(t, &out, change.Operator.Object["spec"])
			} else {
				show(t, &out, change.ConfigMap.Data)
				if note := change.ConfigMap.Annotations[AnnotationWritten]; note != "" {
					fmt.Fprintf(&out, "# %s: %s\n", AnnotationWritten, note)
				}
			}
		}
		if diff := cmp.Diff(before.facts(), asked.facts()); diff != "" {
			t.Errorf("the input was changed (-before +after):\n%s", diff)
		}
		again(t, facts)
		takenBack(t, facts, before.facts())
		return map[string][]byte{"written.yaml": out.Bytes()}
	})
}

func again(t *testing.T, facts Facts) {
	t.Helper()
	hooks, err := Hooks(facts)
	if err != nil {
		t.Fatal(err)
	}
	for _, hook := range hooks {
		if change, err := hook.Point(target); err != nil || !change.Same {
			t.Errorf("%s: to enter it again writes something: %v", hook.Place, err)
		}
		if change, err := hook.Point(Target{Zone: target.Zone, Servers: []string{"10.96.0.54"}}); err != nil || change.Same {
			t.Errorf("%s: another server changes nothing: %v", hook.Place, err)
		}
	}
}

func takenBack(t *testing.T, facts, before Facts) {
	t.Helper()
	hooks, err := Hooks(facts)
	if err != nil {
		t.Fatal(err)
	}
	taken := 0
	for _, hook := range Places(facts) {
		change, err := hook.Restore(target)
		if err != nil {
			t.Errorf("%s: not taken back: %v", hook.Place, err)
		}
		if !change.Same {
			taken++
		}
		facts.take(change)
	}
	if taken != len(hooks) {
		t.Errorf("taken back from %d places, entered into %d", taken, len(hooks))
	}
	if diff := cmp.Diff(before, facts); diff != "" {
		t.Errorf("taken back (-before +after):\n%s", diff)
	}
	for _, hook := range Places(facts) {
		if change, err := hook.Restore(target); err != nil || !change.Same {
			t.Errorf("%s: to take it back again writes something: %v", hook.Place, err)
		}
	}
}

func show(t *testing.T, out *bytes.Buffer, value any) {
	t.Helper()
	text, err := yaml.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	out.Write(text)
}
