// Package sides puts one question to two servers: which endpoints does a proxy of
// this cluster have? One is the cluster's istiod, the other an agent of ours that
// runs beside it and watches the same clusters. It owns how each is run and asked,
// and the form in which their answers can be compared. It is for tests and
// benchmarks, and must not know what the clusters hold.
package sides
