// Package names measures the DNS server of the agent against CoreDNS's plugin
// kubernetes with its option multicluster: both read the same objects from one
// kube-apiserver and answer for clusterset.local. It prints figures and asserts none of
// them; where the two differ in an answer there are no figures. What measures is behind
// the build tag bench:
//
//	make bench
//
// It needs no lab that is up, only what `bin/lab build` makes. EASTWEST_AGENT_BIN and
// EASTWEST_COREDNS name other binaries. Both servers run with GOMAXPROCS=1 on the
// first processor, and everything else on the others, where there are several.
package names
