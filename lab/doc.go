// Package lab brings up real Kubernetes clusters on one Linux host, without
// Docker and without a registry. A cluster is a network namespace with its own
// etcd, API server, controllers, kubelet, containerd, kube-proxy, CoreDNS, a
// balancer for Services of type LoadBalancer and, when asked for, Istio.
// All clusters of a lab hang on one bridge that has no route out: only node and
// load-balancer addresses are shared, pod and service networks are not.
//
// Up makes a lab or completes one, Open finds one, Lab.Down removes one.
// Everything a lab makes has a name that follows from the lab's own name (see
// package internal/plan), so it can be removed without any record of it.
package lab
