//go:build bench

package scale

import (
	"os"
	"strings"
	"testing"

	"github.com/eastwest-mesh/eastwest/internal/testapi"
	"github.com/eastwest-mesh/eastwest/lab/internal/sides"
)

func TestMain(m *testing.M) {
	if arguments := os.Getenv(floorVariable); arguments != "" {
		panic(relayEvents(arguments))
	}
	if arguments := os.Getenv(readVariable); arguments != "" {
		if _, err := readClusters(arguments); err != nil {
			panic(err)
		}
		os.Exit(0)
	}
	if arguments := os.Getenv(wholeVariable); arguments != "" {
		panic(serveWhole(arguments))
	}
	if arguments := os.Getenv(cacheVariable); arguments != "" {
		panic(serveCache(arguments))
	}
	if err := sides.LeaveFirstCore(); err != nil {
		panic(err)
	}
	os.Exit(testapi.Main(m))
}

// binary is the path of a server's. That of istiod is the newest that the lab has built.
func binary(b *testing.B, server string) string {
	b.Helper()
	if server == agent {
		return sides.Binary(b, "EASTWEST_AGENT_BIN", "../../../bin/eastwest-agent")
	}
	return sides.Binary(b, "EASTWEST_ISTIOD_BIN", sides.Newest(b, "istio/*/pilot-discovery"))
}

// sized is a size of a benchmark, and the one that shows in a minute that it works.
func sized(whole, short int) int {
	if testing.Short() {
		return short
	}
	return whole
}

// slug is a server's name in a metric.
func slug(name string) string { return strings.ReplaceAll(name, " ", "-") }
