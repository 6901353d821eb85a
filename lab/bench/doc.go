// Package bench holds what all benchmarks say figures with: quantiles, ratios with
// bounds, and growth. The benchmarks themselves are below it, each against the server
// that people use today: scale against istiod, names against CoreDNS. They print figures
// and assert none of them; a run in which any answer was wrong has no figures.
//
//	make bench
package bench
