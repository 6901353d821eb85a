// Package bench measures what the agent is for against istiod, on real clusters, side
// by side in one run. It prints figures and asserts none of them; a run in which any
// answer was wrong has no figures. What asks the clusters is behind the build tag
// bench:
//
//	make bench
//
// The lab is named "bench", or by EASTWEST_BENCH_LAB; one that is up is used again and
// stays up. EASTWEST_BIN and EASTWEST_AGENT_BIN name other binaries, and
// EASTWEST_BENCH_SAMPLES a file that gets every single measurement.
package bench
