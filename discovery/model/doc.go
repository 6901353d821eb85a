// Package model holds the values that travel through the agent: what a member
// is, what it offers, and the one view of all members that everything is answered
// from. It owns their meaning and invariants; it imports the standard library
// only and knows neither Kubernetes nor Envoy.
//
// Values that have been handed on are immutable. They are shared by pointer, and
// an unchanged value stays the same pointer from one revision to the next, so
// that the cost of a change follows the change and not the size of the mesh.
package model
