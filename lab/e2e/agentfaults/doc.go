// Package agentfaults breaks what the agent lives on: its members' API servers and
// their stores, the way there, its credentials, its disk, memory and file descriptors,
// and itself. Each test has the name of the row that it shows, and one neighbour of it.
//
// Members are a kube-apiserver and an etcd each, with nothing behind them; agents are
// processes as outside a cluster, and the gateway is a client of xDS that notes all it
// is told. Everything runs in a network namespace of its own, which has no way out. So
// it needs root and what `lab build` made, and no lab.
//
// Tests that take long run with EASTWEST_FAULTS=all only. They do not run in parallel.
package agentfaults
