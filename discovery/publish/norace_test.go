//go:build !race

package publish_test

// shadow is by how much a process is larger than what its users run: it keeps nothing beside.
const shadow = 1
