// Package derived owns how clients of this cluster reach imported services: for
// every service of the view one Service of our own with an address of this
// cluster, and behind it either the local gateway, where an exporter is on another
// network, or the exporters' pods. Services without an address have slices alone,
// which say where the pods are. It also owns which port of the gateway leads to
// which port of a service: the derived Service keeps it, the one replica that
// writes allocates it, all replicas read it.
//
// It stands beside publish as a reader of the view. It must not know Envoy, nor
// how the view is made.
package derived
