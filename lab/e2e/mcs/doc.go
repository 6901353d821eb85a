// Package mcs holds the tests of multi-cluster Services: the conformance cases on two
// and on three clusters, and GKE's guide walked step by step in its own dialect. Its
// lab has three clusters without a mesh whose pods reach each other. Everything is
// behind the build tag e2e:
//
//	make build && cd lab && go test -tags e2e -timeout 30m ./e2e/mcs
//
// The lab is named "mcs", or by EASTWEST_E2E_MCS_LAB; one that is up is used again and
// stays up. EASTWEST_BIN names another binary; with CI set the lab is made anew and
// taken down, and with EASTWEST_E2E_DOWN it is taken down.
package mcs
