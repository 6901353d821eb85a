// Package differential holds the test that gives the same clusters to two servers, the
// istiod of a cluster and an agent of ours, and wants the same answer: who gets how
// much of the traffic for a port. What differs by design is in one table, with the
// reason. Two real clusters of a lab of its own are joined for it. Everything is
// behind the build tag e2e:
//
//	make build && cd lab && go test -tags e2e -timeout 30m ./e2e/differential
//
// The lab is named "diff", or by EASTWEST_E2E_DIFFERENTIAL_LAB; one that is up is
// used again and stays up. EASTWEST_BIN and EASTWEST_AGENT_BIN name other binaries;
// EASTWEST_SEED repeats the random part of a run; with CI set the lab is made anew
// and taken down, and with EASTWEST_E2E_DOWN it is taken down.
package differential
