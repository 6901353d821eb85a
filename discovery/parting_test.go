package discovery

import (
	"testing"
	"time"

	"github.com/eastwest-mesh/eastwest/discovery/model"
	"github.com/eastwest-mesh/eastwest/discovery/translate"
)

var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

// withdrawn is a view without the service, or with it offered by somebody else.
func withdrawn(from *model.View, by ...model.MemberName) *model.View {
	var web *model.Service
	if len(by) > 0 {
		copied := *from.Services.Get(webKey)
		copied.Exporters, copied.Backends = by, nil
		web = &copied
	}
	return &model.View{Members: from.Members, Services: from.Services.With(map[model.ServiceKey]*model.Service{webKey: web})}
}

// TestFarewell: peers can call a service that was withdrawn for a moment, and reach
// the pods it had last.
func TestFarewell(t *testing.T) {
	t.Parallel()
	first := twoMembers("10.2.0.1")
	last := viewOf(first.Members, "10.2.0.1", "10.2.0.2")
	for name, tc := range map[string]struct {
		admit []model.MemberName
		then  inputs
		// changed is what the update is told of; all is translated where it is nil.
		changed map[model.ServiceKey]struct{}
		later   time.Duration
		// want is whether peers can call it, with how many pods.
		want bool
		pods int
	}{
		"nobody offers it":           {then: inputs{view: withdrawn(last)}, changed: changedWeb(), want: true, pods: 2},
		"somebody else offers it":    {then: inputs{view: withdrawn(last, "east")}, changed: changedWeb(), want: true, pods: 2},
		"all is translated again":    {then: inputs{view: withdrawn(last), roots: []byte("new")}, want: true, pods: 2},
		"just before the end":        {then: inputs{view: withdrawn(last)}, changed: changedWeb(), later: farewell - 1, want: true, pods: 2},
		"at the end":                 {then: inputs{view: withdrawn(last)}, changed: changedWeb(), later: farewell},
		"it has no pod left":         {then: inputs{view: viewOf(first.Members)}, changed: changedWeb(), later: farewell, want: true},
		"it never admitted everyone": {admit: []model.MemberName{"east"}, then: inputs{view: withdrawn(last)}, changed: changedWeb()},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tr := newTranslation("west")
			if tc.admit != nil {
				tr.admit = map[model.ServiceKey][]model.MemberName{webKey: tc.admit}
			}
			tr.update(inputs{view: first, now: noon}, nil)
			tr.update(inputs{view: last, now: noon}, changedWeb())
			tc.then.now = noon
			tr.update(tc.then, tc.changed)
			tc.then.now = noon.Add(tc.later)
			if ended := tr.update(tc.then, nil); ended.whole != (tc.later == farewell && !tc.want) {
				t.Errorf("whole: %v", ended.whole)
			}
			found, pods := callable(tr)
			if found != tc.want || pods != tc.pods {
				t.Errorf("callable: %v with %d pods, want %v with %d", found, pods, tc.want, tc.pods)
			}
		})
	}
}

// TestBackBeforeItWasGone: what is offered again is as it is offered now.
func TestBackBeforeItWasGone(t *testing.T) {
	t.Parallel()
	first := twoMembers("10.2.0.1", "10.2.0.2")
	tr := newTranslation("west")
	tr.update(inputs{view: first, now: noon}, nil)
	tr.update(inputs{view: withdrawn(first), now: noon}, changedWeb())
	if tr.nextParting(noon) == nil {
		t.Error("nothing ends the farewell")
	}
	tr.update(inputs{view: viewOf(first.Members, "10.2.0.9"), now: noon}, changedWeb())
	if found, pods := callable(tr); !found || pods != 1 || len(tr.partings) != 0 || tr.nextParting(noon) != nil {
		t.Errorf("callable %v with %d pods; parting %v", found, pods, tr.partings)
	}
}

// callable reports whether peers can call the service, once, and how many pods it
// leads to.
func callable(tr *translation) (found bool, pods int) {
	set := tr.set()
	for i, cluster := range set.Clusters {
		if cluster.Name != translate.InboundName(model.PortKey{Service: webKey, Number: 80}) {
			continue
		}
		if found {
			return false, -1
		}
		found = true
		for _, locality := range messageOf(set.Endpoints[i]).Endpoints {
			pods += len(locality.LbEndpoints)
		}
	}
	return found, pods
}
