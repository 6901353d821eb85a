package status

import (
	"fmt"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"

	"github.com/eastwest-mesh/eastwest/discovery/model"
	"github.com/eastwest-mesh/eastwest/internal/testapi"
)

// TestEvents is H01 as an operator sees it, on a real API server: an export that is not
// taken is told once for as long as it is there. Its neighbours: a record that is not
// used is told, too, and a member with thousands of faults does not flood the cluster.
func TestEvents(t *testing.T) {
	t.Parallel()
	kube := testapi.Client(t)
	client, err := dynamic.NewForConfig(testapi.Config(t))
	if err != nil {
		t.Fatal(err)
	}
	bad := west()
	bad.Name = "bad"
	denied := Problem{About: "kube-system/kube-dns", Reason: "NamespaceDenied", Message: "exports of this namespace are not taken from the member"}
	events := &Events{Client: client, Namespace: "default"}
	uid := func(model.MemberName) types.UID { return "the-uid" }
	at := now
	// step looks once, and counts the events that there are by their reason.
	step := func(after time.Duration) map[string]int {
		t.Helper()
		at = at.Add(after)
		if err := events.tell(t.Context(), []Member{bad}, uid, at); err != nil {
			t.Fatal(err)
		}
		list, err := kube.CoreV1().Events("default").List(t.Context(), metav1.ListOptions{FieldSelector: "involvedObject.kind=MemberCluster,involvedObject.name=bad"})
		if err != nil {
			t.Fatal(err)
		}
		counts := map[string]int{}
		for _, one := range list.Items {
			counts[one.Reason]++
			if one.Type != "Warning" || one.InvolvedObject.UID != "the-uid" || len(one.Message) > 1024 || strings.ContainsAny(one.Message, "\n\x1b") ||
				one.Reason == "NamespaceDenied" && !strings.Contains(one.Message, "kube-system/kube-dns") {
				t.Errorf("got %+v", one)
			}
		}
		return counts
	}
	if got := step(0); len(got) != 0 {
		t.Errorf("nothing is wrong, and there are %v", got)
	}
	bad.Exports = []Problem{denied}
	bad.Records = []Problem{{About: "Secret member-bad", Reason: "DuplicateIdentity", Message: "it has the name of member west\x1b[2J\n" + strings.Repeat("\u00e4", 2000)}}
	for range 3 {
		if got := step(time.Second); got["NamespaceDenied"] != 1 || got["DuplicateIdentity"] != 1 {
			t.Errorf("got %v", got)
		}
	}
	bad.Exports = nil
	step(time.Second)
	bad.Exports = []Problem{denied}
	if got := step(time.Second); got["NamespaceDenied"] != 2 {
		t.Errorf("it is there again: got %v", got)
	}
	for i := range 1000 {
		bad.Exports = append(bad.Exports, Problem{About: fmt.Sprintf("shop/s%d", i), Reason: "NoService", Message: "none"})
	}
	if got := step(time.Second); got["NoService"] != eventBurst-3 {
		t.Errorf("got %v", got)
	}
	if got := step(5 * eventRate); got["NoService"] != eventBurst-3+5 {
		t.Errorf("five minutes later: got %v", got)
	}
}
