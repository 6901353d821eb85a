// Package plainfaults holds what three clusters without a mesh promise while parts
// of them fail: real clusters of a lab of its own, and a prober that calls through
// their gateways all the time. Everything is behind the build tag e2e:
//
//	make build && cd lab && go test -tags e2e -timeout 30m ./e2e/plainfaults
//
// The lab is named "pf", or by EASTWEST_E2E_PLAINFAULTS_LAB; one that is up is used
// again and stays up. EASTWEST_BIN names another binary; with CI set the lab is made
// anew and taken down, and with EASTWEST_E2E_DOWN it is taken down.
package plainfaults
