// Package plain holds the acceptance tests of clusters without a mesh: two real
// clusters of a lab of its own, without Istio, and the built binary. Everything is
// behind the build tag e2e:
//
//	make build && cd lab && go test -tags e2e -timeout 30m ./e2e/plain
//
// The lab is named "plain", or by EASTWEST_E2E_PLAIN_LAB; one that is up is used
// again and stays up. EASTWEST_BIN names another binary; with CI set the lab is made
// anew and taken down, and with EASTWEST_E2E_DOWN it is taken down.
package plain
