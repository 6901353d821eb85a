// Package node writes what one cluster's processes read: certificates,
// kubeconfig and configuration files, and the command line of each component.
// Rendering is pure; only Prepare touches the disk.
package node
