package discovery

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing/synctest"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/eastwest-mesh/eastwest/api/v1alpha1"
	"github.com/eastwest-mesh/eastwest/discovery/model"
	"github.com/eastwest-mesh/eastwest/internal/fakeapi"
)

// rotate gives a member another credential, and takes the old one back after a while.
func (w *world) rotate(c *cluster) {
	if c.record == nil || w.facts.quarantined(c.name) || !w.readsRecords() {
		return
	}
	before := c.token
	c.token = w.newToken()
	c.api.Do(func() { c.api.Tokens[c.token] = true })
	w.join(c, c.api.UID, c.token)
	for number := range w.facts.seen {
		w.facts.seen[number][c.name].lost = false
		w.facts.seen[number][c.name].behind = true
	}
	w.rest()
	if !c.down {
		c.api.Do(func() { delete(c.api.Tokens, before) })
		c.api.Cut()
	}
}

// misrotate records a credential that is no good. The one before stays in use.
func (w *world) misrotate(c *cluster) {
	if c.record == nil || w.facts.quarantined(c.name) || !w.readsRecords() {
		return
	}
	w.join(c, c.api.UID, w.newToken())
	c.record.Annotations = map[string]string{"bad": "true"}
}

// garble records what nobody can read in the place of a good record, and that one again.
func (w *world) garble(c *cluster, how int) {
	if c.record == nil || !w.readsRecords() {
		return
	}
	broken := c.record.DeepCopy()
	config, record := string(c.name)+v1alpha1.KubeconfigSuffix, string(c.name)+v1alpha1.RecordSuffix
	text := string(broken.Data[config])
	switch how % 6 {
	case 0:
		text = strings.ReplaceAll(text, "token: ", "token: '' ")
	case 1:
		text = strings.ReplaceAll(text, "token: ", "token: a ") // no token has a space
	case 2:
		text = strings.ReplaceAll(text, "token: ", "tokenFile: ")
	case 3:
		text = strings.ReplaceAll(text, "token: ", "token: &a [") + "\t"
	case 4:
		broken.Data[record] = []byte("token: " + c.token)
	case 5:
		broken.Data[record] = []byte(strings.ReplaceAll(string(broken.Data[record]), "name: "+string(c.name), "name: another"))
	}
	broken.Data[config] = []byte(text)
	w.own.api.Put(broken)
	after(time.Second)
	w.checkSecrets()
	w.own.api.Put(c.record.DeepCopy())
	w.recorded = true
}

// wipe makes a cluster anew at the same address.
func (w *world) wipe(c *cluster) {
	if c == w.own || c.down || w.facts.quarantined(c.name) || w.facts.lost(c.name) {
		return
	}
	w.rest()
	c.facts = newFacts()
	c.api.Do(func() {
		c.api.UID = fmt.Sprint("uid-", time.Now().UnixNano())
		for path := range c.api.Objects {
			if path != fakeapi.NamespacePath {
				c.api.Objects[path] = map[string]metav1.Object{}
			}
		}
	})
	for number := range w.facts.seen {
		if s := w.facts.seen[number][c.name]; s != nil {
			s.quarantined = time.Now()
		}
	}
	c.api.Compact()
	c.api.Cut()
	synctest.Wait()
}

// flicker shows a list without slices once. Nothing is taken away where it would be much.
func (w *world) flicker(c *cluster) {
	for number := range w.facts.seen {
		if s := w.facts.seen[number][c.name]; c.down || s == nil || !w.facts.reaches(number, c.name) {
			return
		}
	}
	w.rest()
	count := 0
	for _, one := range c.offers() {
		count += len(one.endpoints)
	}
	var kept map[string]metav1.Object
	c.api.Do(func() {
		kept = c.api.Objects[fakeapi.SlicePath]
		c.api.Objects[fakeapi.SlicePath] = maps.Clone(kept)
		maps.DeleteFunc(c.api.Objects[fakeapi.SlicePath], func(_ string, one metav1.Object) bool { return one.GetLabels()[v1alpha1.LabelDerived] == "" })
	})
	if whole := c.facts; count <= 10 {
		c.facts = c.clone()
		clear(c.slices)
		w.facts.changed(c.name)
		c.facts = whole
	}
	c.api.Compact()
	c.api.Cut()
	after(2 * time.Second)
	w.check("flicker: in between", false)
	c.api.Do(func() {
		for key, one := range kept {
			if one.GetLabels()[v1alpha1.LabelDerived] == "" {
				c.api.Objects[fakeapi.SlicePath][key] = one
			}
		}
	})
	c.api.Compact()
	c.api.Cut()
	w.facts.changed(c.name)
}

// restart ends a replica and begins it anew, also without what it left on disk.
func (w *world) restart(number int, forget bool) {
	r := w.replicas[number]
	if r.isolated {
		return
	}
	w.rest()
	w.gateways[number].close()
	r.stop()
	if forget {
		r.forget()
	}
	w.facts.forgot = w.facts.forgot || forget
	for name, s := range w.facts.seen[number] {
		s.unlisted = true
		s.lost = name != ownName && w.clusters[name].record.Annotations["bad"] != ""
		if !s.quarantined.IsZero() {
			s.quarantined = time.Now()
		}
		if forget && !w.facts.reaches(number, name) {
			s.candidates = append(s.candidates, newFacts())
		}
	}
	r.start()
	w.gateways[number].connect()
	w.check("restart: at once", false)
	after(patient)
	for name, s := range w.facts.seen[number] {
		if forget && !w.facts.reaches(number, name) {
			s.candidates, s.behind = []facts{newFacts()}, true
		}
	}
	if got := w.gateways[number].counted(); !forget && got > 0 {
		w.violate("I3: %d resources are sent after a restart that changed nothing", got)
	}
}

// readsRecords reports whether every replica can read records; where their watch was
// broken it waits until it is not any more.
func (w *world) readsRecords() bool {
	if w.anyIsolated() {
		return false
	}
	if w.broken {
		w.rest()
	}
	return true
}

func (w *world) anyIsolated() bool {
	return slices.ContainsFunc(w.replicas[:], func(r *replica) bool { return r.isolated })
}

func (h *history) quarantined(name model.MemberName) bool {
	for number := range h.seen {
		if s := h.seen[number][name]; s != nil && !s.quarantined.IsZero() {
			return true
		}
	}
	return false
}

// lost reports whether some replica has no credential of a member that works.
func (h *history) lost(name model.MemberName) bool {
	return slices.ContainsFunc(h.seen[:], func(seen map[model.MemberName]*sight) bool { return seen[name] != nil && seen[name].lost })
}
