package discovery

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/eastwest-mesh/eastwest/discovery/model"
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
	"restart": 3, "forget": 1, "isolate": 2, "stall": 2, "heal": 4, "reconnect": 3, "flood": 3, "garble": 2,
}

// services are the names that there can be.
var services = []string{"a", "b", "c", "d"}

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
		all = append(all, op{chosen[random.IntN(len(chosen))], members[random.IntN(len(members))], services[random.IntN(len(services))], random.IntN(256)})
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
			w.facts.seen[number][c.name] = &sight{candidates: []facts{newFacts()}, behind: true, unlisted: true}
		}
	},
	"leave": func(w *world, _ op, c *cluster) {
		if c.record == nil || !w.readsRecords() {
			return
		}
		w.own.api.Delete(c.record.DeepCopy())
		c.record, w.recorded = nil, true
		for number := range w.facts.seen {
			delete(w.facts.seen[number], c.name)
		}
	},
	"rotate":    func(w *world, _ op, c *cluster) { w.rotate(c) },
	"misrotate": func(w *world, _ op, c *cluster) { w.misrotate(c) },
	"garble":    func(w *world, o op, c *cluster) { w.garble(c, o.number) },
	"flood":     func(w *world, _ op, c *cluster) { w.flood(c) },
	"wipe":      func(w *world, _ op, c *cluster) { w.wipe(c) },
	"service":   publishService,
	"unservice": func(w *world, o op, c *cluster) {
		if _, found := c.services[o.service]; found {
			c.facts = c.clone()
			delete(c.services, o.service)
			c.api.Delete(kubeServiceOf(o.service, 0))
		}
	},
	"export": publishExport,
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
	"slice": publishSlice,
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
			if w.facts.quarantined(c.name) {
				after(patient) // what is away for a moment is not noticed
			}
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
	"rest": func(w *world, _ op, _ *cluster) {
		w.rest()
		w.checkSecrets()
	},
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
	"stall": func(w *world, o op, _ *cluster) {
		if !w.anyIsolated() {
			w.rest()
			w.replicas[o.number%replicas].stall()
		}
	},
	"heal": func(w *world, _ op, _ *cluster) {
		for _, one := range w.replicas {
			one.heal()
		}
	},
	"reconnect": func(w *world, o op, _ *cluster) { w.gateways[o.number%replicas].reconnect() },
}
