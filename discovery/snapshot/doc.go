// Package snapshot owns what the agent remembers over a restart: one file with
// the last shard of every member, so that a new process serves the last view
// before any member has answered. It stands beside the data path: what it loads
// goes into the watches, what it writes comes from the loop.
//
// The file is old or new, never torn, and never believed by its name alone: a
// header holds version, length and checksum, and whatever does not fit is refused
// as a whole. It must not know how shards are made, nor what is done with them.
//
// The encoding is our own. Shards repeat a few thousand short texts and hold
// addresses and interned zones, for which encoding/gob would need a second set of
// types, and gob makes no promise for input that somebody else wrote; here every
// length is checked against what is left.
package snapshot
