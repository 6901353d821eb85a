// Package envoytest proves on real Envoys what translate and publish promise: for
// each member of a small mesh it runs the agent's own code in this process and one
// Envoy with the chart's bootstrap, and judges by connections, answers and Envoy's
// counters. It has tests only, knows no Kubernetes, and nothing imports it.
//
// The tests are behind the build tag envoy. Everything is on loopback addresses;
// the Envoy is $ENVOY or the one that the lab has built:
//
//	go test -tags envoy ./discovery/envoytest
package envoytest
