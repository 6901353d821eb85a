// Package plainflat holds the test of clusters without a mesh whose pods reach each
// other: two real clusters of a lab of its own with one network. Everything is
// behind the build tag e2e:
//
//	make build && cd lab && go test -tags e2e -timeout 30m ./e2e/plainflat
//
// The lab is named "pl2f", or by EASTWEST_E2E_PLAINFLAT_LAB; one that is up is used
// again and stays up. EASTWEST_BIN names another binary; with CI set the lab is made
// anew and taken down, and with EASTWEST_E2E_DOWN it is taken down.
package plainflat
