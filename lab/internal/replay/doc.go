// Package replay is clusters without nodes: API servers that have any number of
// objects ready, and say them in the protocol of a kube-apiserver, so that a control
// plane can be given many clusters on one host. Objects go out as they were encoded
// once, whoever asks.
//
// It owns the protocol: lists in pages, watches that begin with a list, bookmarks,
// selectors, protobuf, JSON, and objects cut down to their metadata. What a real server
// says to the same requests is compared in its tests. It takes no writes from clients,
// knows every resource (most of them are empty), and must not know who asks.
package replay
