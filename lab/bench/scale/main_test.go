//go:build bench

package scale

import (
	"cmp"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/eastwest-mesh/eastwest/internal/testapi"
	"github.com/eastwest-mesh/eastwest/lab/internal/sides"
)

func TestMain(m *testing.M) {
	if arguments := os.Getenv(floorVariable); arguments != "" {
		panic(relayEvents(arguments))
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
	usual, variable := "../../../bin/eastwest-agent", "EASTWEST_AGENT_BIN"
	if server != agent {
		usual, variable = newest(b, "istio/*/pilot-discovery"), "EASTWEST_ISTIOD_BIN"
	}
	path, err := filepath.Abs(cmp.Or(os.Getenv(variable), usual))
	if err == nil {
		_, err = os.Stat(path)
	}
	if err != nil {
		b.Fatalf("find %s; fix: make build && bin/lab build, or set %s: %v", filepath.Base(usual), variable, err)
	}
	return path
}

func newest(b *testing.B, pattern string) string {
	b.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		b.Fatal(err)
	}
	root := cmp.Or(os.Getenv("EASTWEST_LAB_CACHE"), filepath.Join(cache, "eastwest-lab"))
	found, _ := filepath.Glob(filepath.Join(root, pattern))
	path, when := filepath.Join(root, pattern), time.Time{}
	for _, one := range found {
		if info, err := os.Stat(one); err == nil && info.ModTime().After(when) {
			path, when = one, info.ModTime()
		}
	}
	return path
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
