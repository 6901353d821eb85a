// Package discovery assembles the agent that watches all member clusters, keeps
// one immutable view of their endpoints and publishes it. It will be the only
// importer of all stages of that path, from watch to publish, and must not know
// the installer.
package discovery
