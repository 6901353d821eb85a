package discovery

import (
	"github.com/eastwest-mesh/eastwest/discovery/model"
)

// publishService makes a Service, or gives it other ports.
func publishService(_ *world, o op, c *cluster) {
	set := o.number % len(portSets)
	c.facts = c.clone()
	c.services[o.service] = set
	c.api.Put(kubeServiceOf(o.service, set))
}

// publishExport exports a name, in one dialect or the other.
func publishExport(_ *world, o op, c *cluster) {
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
}

// publishSlice makes a slice, or gives it other endpoints.
func publishSlice(w *world, o op, c *cluster) {
	at := slot{c.name, o.service, o.number % 2}
	one := published{generation: w.next() % 4096}
	for i := range o.number / 16 {
		one.health = append(one.health, [...]model.Health{model.Serving, model.Serving, model.Draining, model.Unready}[(o.number/2+i)%4])
	}
	c.facts = c.clone()
	c.slices[at] = one
	w.note(at, one)
	c.api.Put(sliceOf(at, one))
}

// flood has a member export more than it may.
func (w *world) flood(c *cluster) {
	for _, name := range services {
		one := op{member: c.name, service: name}
		publishService(w, one, c)
		publishExport(w, one, c)
		for number := range 2 {
			publishSlice(w, op{member: c.name, service: name, number: 0xf0 + number}, c)
		}
	}
}
