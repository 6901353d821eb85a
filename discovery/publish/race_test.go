//go:build race

package publish_test

// shadow is by how much a process is larger than what its users run: the race detector keeps up to ten bytes beside each.
const shadow = 10
