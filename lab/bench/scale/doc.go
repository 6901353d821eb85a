// Package scale measures the agent against istiod where there is much to keep: many
// clusters with many endpoints, many gateways, many changes. Both are their real
// binaries on this host, each with one processor, the same one; the own cluster is a
// real kube-apiserver, the others are replayed (lab/internal/replay). Whoever asks, and
// all API servers, have the other processor. It prints figures and asserts none of them;
// a run in which any answer was wrong or lost has no figures. What starts servers is
// behind the build tag bench:
//
//	make bench
//
// EASTWEST_AGENT_BIN and EASTWEST_ISTIOD_BIN name other binaries,
// EASTWEST_BENCH_SAMPLES a file that gets every single measurement, and
// EASTWEST_BENCH_PROFILES a folder that gets profiles.
package scale
