package discovery

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/eastwest-mesh/eastwest/api/v1alpha1"
	"github.com/eastwest-mesh/eastwest/discovery/model"
	"github.com/eastwest-mesh/eastwest/internal/fakeapi"
)

const namespace = "shop"

// patient is longer than anything takes that happens by itself: backoff, the confirmation
// of lists, the settling of names, a lease that has to run out.
const patient = 75 * time.Second

// op is one thing that happens. It is plain data, so that a list of them can be kept and
// shortened: where it makes no sense any more, nothing happens.
type op struct {
	act     string
	member  model.MemberName
	service string
	number  int
}

func (o op) String() string { return fmt.Sprintf("%s %s %s %d", o.act, o.member, o.service, o.number) }

// parseOps reads what String wrote, a line each; # begins a remark.
func parseOps(text string) ([]op, error) {
	var all []op
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		if strings.TrimSpace(line) == "" {
			continue
		}
		var one op
		if _, err := fmt.Sscanf(line, "%s %s %s %d", &one.act, &one.member, &one.service, &one.number); err != nil {
			return nil, fmt.Errorf("read %q: %w", line, err)
		}
		if acts[one.act] == nil {
			return nil, fmt.Errorf("read %q: nobody knows how", line)
		}
		all = append(all, one)
	}
	return all, nil
}

// weights say how often an act is chosen.
var weights = map[string]int{
	"join": 10, "leave": 3, "rotate": 4, "misrotate": 2, "wipe": 2, "service": 10, "unservice": 3, "export": 14, "unexport": 4,
	"slice": 30, "unslice": 6, "down": 4, "up": 6, "cut": 4, "compact": 4, "flicker": 3, "wait": 8, "rest": 8, "long": 1,
	"restart": 3, "forget": 1, "isolate": 2, "heal": 4, "reconnect": 3,
}

// randomOps are a mesh that begins with all members and some services, and then anything.
func randomOps(seed uint64, count int) []op {
	random := rand.New(rand.NewPCG(seed, 6))
	var chosen []string
	for _, act := range sortedKeys(weights) {
		chosen = append(chosen, slices.Repeat([]string{act}, weights[act])...)
	}
	members := append([]model.MemberName{ownName}, peerNames...)
	var all []op
	for _, name := range members {
		all = append(all, op{"join", name, "-", 0}, op{"service", name, "a", 0}, op{"export", name, "a", 0}, op{"slice", name, "a", 0x21})
	}
	for range count {
		all = append(all, op{chosen[random.IntN(len(chosen))], members[random.IntN(len(members))], string("abcd"[random.IntN(4)]), random.IntN(256)})
	}
	return all
}

// acts are what can happen.
var acts = map[string]func(*world, op, *cluster){
	"join": func(w *world, _ op, c *cluster) {
		if c == w.own || c.record != nil && !w.facts.quarantined(c.name) || !w.readsRecords() {
			return
		}
		w.join(c, c.api.UID, c.token)
		for number := range w.facts.seen {
			w.facts.seen[number][c.name] = &sight{candidates: []facts{newFacts()}, behind: true}
		}
	},
	"leave": func(w *world, _ op, c *cluster) {
		if c.record == nil || !w.readsRecords() {
			return
		}
		w.own.api.Delete(c.record.DeepCopy())
		c.record = nil
		for number := range w.facts.seen {
			delete(w.facts.seen[number], c.name)
		}
	},
	"rotate":    func(w *world, _ op, c *cluster) { w.rotate(c) },
	"misrotate": func(w *world, _ op, c *cluster) { w.misrotate(c) },
	"wipe":      func(w *world, _ op, c *cluster) { w.wipe(c) },
	"service": func(w *world, o op, c *cluster) {
		set := o.number % len(portSets)
		c.facts = c.clone()
		c.services[o.service] = set
		c.api.Put(kubeServiceOf(o.service, set))
	},
	"unservice": func(w *world, o op, c *cluster) {
		if _, found := c.services[o.service]; found {
			c.facts = c.clone()
			delete(c.services, o.service)
			c.api.Delete(kubeServiceOf(o.service, 0))
		}
	},
	"export": func(w *world, o op, c *cluster) {
		one := c.exports[o.service]
		c.facts = c.clone()
		if o.number%4 == 3 {
			one.gke = true
			c.api.Put(gkeExportOf(o.service))
		} else {
			one.upstream, one.weight = true, [...]string{"", "3", "0"}[o.number%4]
			c.api.Put(exportOf(o.service, one.weight))
		}
		c.exports[o.service] = one
	},
	"unexport": func(w *world, o op, c *cluster) {
		one := c.exports[o.service]
		c.facts = c.clone()
		if one.gke && o.number%2 == 0 {
			one.gke = false
			c.api.Delete(gkeExportOf(o.service))
		} else if one.upstream {
			one.upstream = false
			c.api.Delete(exportOf(o.service, ""))
		}
		if c.exports[o.service] = one; !one.gke && !one.upstream {
			delete(c.exports, o.service)
		}
	},
	"slice": func(w *world, o op, c *cluster) {
		at := slot{c.name, o.service, o.number % 2}
		one := published{generation: w.next() % 4096}
		for i := range o.number / 16 {
			one.health = append(one.health, [...]model.Health{model.Serving, model.Serving, model.Draining, model.Unready}[(o.number/2+i)%4])
		}
		c.facts = c.clone()
		c.slices[at] = one
		w.note(at, one)
		c.api.Put(sliceOf(at, one))
	},
	"unslice": func(w *world, o op, c *cluster) {
		at := slot{c.name, o.service, o.number % 2}
		if one, found := c.slices[at]; found {
			c.facts = c.clone()
			delete(c.slices, at)
			c.api.Delete(sliceOf(at, one))
		}
	},
	"down": func(w *world, _ op, c *cluster) {
		if c == w.own || c.down {
			return
		}
		w.rest()
		c.down = true
		c.api.Do(func() { c.api.Refusing = true })
		c.api.Cut()
	},
	"up": func(w *world, _ op, c *cluster) {
		if c.down {
			w.facts.answersAgain(c.name)
		}
		c.down = false
		c.api.Do(func() { c.api.Refusing = false })
	},
	"cut": func(_ *world, _ op, c *cluster) { c.api.Cut() },
	"compact": func(_ *world, _ op, c *cluster) {
		c.api.Compact()
		c.api.Cut()
	},
	"flicker": func(w *world, _ op, c *cluster) { w.flicker(c) },
	"wait":    func(_ *world, o op, _ *cluster) { after(time.Duration(o.number) * 50 * time.Millisecond) },
	"rest":    func(w *world, _ op, _ *cluster) { w.rest() },
	"long": func(w *world, _ op, _ *cluster) {
		after(20 * time.Minute)
		w.rest()
	},
	"restart": func(w *world, o op, _ *cluster) { w.restart(o.number%replicas, false) },
	"forget":  func(w *world, o op, _ *cluster) { w.restart(o.number%replicas, true) },
	"isolate": func(w *world, o op, _ *cluster) {
		if !w.anyIsolated() {
			w.rest()
			w.replicas[o.number%replicas].isolate()
		}
	},
	"heal": func(w *world, _ op, _ *cluster) {
		for _, one := range w.replicas {
			one.heal()
		}
	},
	"reconnect": func(w *world, o op, _ *cluster) { w.gateways[o.number%replicas].reconnect() },
}

// rotate gives a member another credential, and takes the old one back after a while.
func (w *world) rotate(c *cluster) {
	if c.record == nil || w.facts.quarantined(c.name) || !w.readsRecords() {
		return
	}
	before := c.token
	c.token = w.unique(secretMark)
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
	w.join(c, c.api.UID, w.unique(secretMark))
	c.record.Annotations = map[string]string{"bad": "true"}
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
	for name, s := range w.facts.seen[number] {
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
			s.candidates = []facts{newFacts()}
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

// note remembers where addresses are from.
func (w *world) note(at slot, one published) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.noteLocked(at, one)
}

func (w *world) noteLocked(at slot, one published) {
	for i := range one.health {
		for _, port := range podPorts {
			w.origin[fmt.Sprintf("%s:%d", addressOf(at.member, one.generation, i), port)] = origin{at, one.generation}
		}
	}
}

func (w *world) originOf(address string) (origin, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	found, known := w.origin[address]
	return found, known
}

func kubeServiceOf(name string, set int) *corev1.Service {
	one := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, CreationTimestamp: metav1.Now()}}
	one.Spec.ClusterIP = "10.96.0.1"
	for _, port := range portSets[set] {
		one.Spec.Ports = append(one.Spec.Ports, corev1.ServicePort{Name: port.Name, Port: int32(port.Number)})
	}
	return one
}

func exportOf(name, weight string) *unstructured.Unstructured {
	one := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "multicluster.x-k8s.io/v1beta1", "kind": "ServiceExport",
		"metadata": map[string]any{"namespace": namespace, "name": name, "creationTimestamp": time.Now().UTC().Format(time.RFC3339)},
	}}
	if weight != "" {
		one.SetAnnotations(map[string]string{v1alpha1.AnnotationWeight: weight})
	}
	return one
}

func gkeExportOf(name string) *metav1.PartialObjectMetadata {
	return &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, CreationTimestamp: metav1.Now()}}
}

func sliceOf(at slot, from published) *discoveryv1.EndpointSlice {
	one := &discoveryv1.EndpointSlice{
		ObjectMeta:  metav1.ObjectMeta{Namespace: namespace, Name: fmt.Sprintf("%s-%d", at.service, at.number), Labels: map[string]string{discoveryv1.LabelServiceName: at.service}},
		AddressType: discoveryv1.AddressTypeIPv4,
	}
	for _, name := range sortedKeys(podPorts) {
		number := int32(podPorts[name])
		one.Ports = append(one.Ports, discoveryv1.EndpointPort{Name: &name, Port: &number})
	}
	for i, health := range from.health {
		ready, serving := health == model.Serving, health != model.Unready
		terminating := health == model.Draining
		one.Endpoints = append(one.Endpoints, discoveryv1.Endpoint{
			Addresses:  []string{addressOf(at.member, from.generation, i)},
			Conditions: discoveryv1.EndpointConditions{Ready: &ready, Serving: &serving, Terminating: &terminating},
		})
	}
	return one
}
