// Package watch turns what one member's API server says into that member's
// Shard. It owns the connection, the resources that are watched, what of them is
// believed, and in which state the member is. It is the second step of the data
// path: Kubernetes types come in and only values of the model go out. It must not
// know other members, nor what is done with a shard.
//
// Everything that comes from a member is taken for hostile: names, addresses,
// sizes and rates are checked here, so that a member can change nothing but its
// own contribution.
//
// Client-go's reflectors are deliberately not used. They retry refused
// connections without telling anybody, answer every failed WatchList with a LIST,
// wait between attempts in a way of their own, and leave no place to check who
// answers before a list replaces what is known. A stream here is one goroutine
// that reads frames and packs them at once; no queue lies between.
package watch
