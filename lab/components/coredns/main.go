// Command coredns is CoreDNS with the plugins a cluster DNS uses.
package main

import (
	_ "github.com/coredns/coredns/plugin/cache"
	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/coredns/coredns/plugin/forward"
	_ "github.com/coredns/coredns/plugin/health"
	_ "github.com/coredns/coredns/plugin/kubernetes"
	_ "github.com/coredns/coredns/plugin/log"
	_ "github.com/coredns/coredns/plugin/loop"
	_ "github.com/coredns/coredns/plugin/ready"
	_ "github.com/coredns/coredns/plugin/reload"

	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/coremain"
)

// order is the plugin chain: a query passes the plugins in this order.
var order = []string{"reload", "ready", "health", "errors", "log", "cache", "loop", "kubernetes", "forward"}

func main() {
	dnsserver.Directives = order
	coremain.Run()
}
