// Package mcs owns what the objects of the multi-cluster services API say in this
// cluster: a ServiceImport for every service of the view, and the conditions of this
// cluster's own ServiceExports. It speaks two dialects, that of SIG Multicluster
// (KEP-1645) and that of GKE, from one description of each object.
//
// It stands beside derived as a reader of the view. It must not know Envoy or DNS,
// nor how the view is made.
package mcs
