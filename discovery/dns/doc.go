// Package dns owns the zone clusterset.local: which names it has, made from the view
// by a pure function, and a server that answers for it and for nothing else, over UDP
// and TCP. Answers are packed when the view changes, so that a query costs a lookup
// and a copy.
//
// It stands beside mcs as a reader of the view. It must not know Envoy or any type of
// Kubernetes, nor who writes ServiceImports: the addresses of services are told to it.
package dns
