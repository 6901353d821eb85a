//go:build envoy

package envoytest

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
)

// run is what all tests of this process share.
var run struct {
	// envoy is the executable.
	envoy string
	// network are the first two bytes of all addresses.
	network string
	// meshes counts those that were made: each has 256 addresses.
	meshes atomic.Int32
}

func TestMain(m *testing.M) { os.Exit(main(m)) }

func main(m *testing.M) int {
	var err error
	if run.envoy, err = findEnvoy(); err != nil {
		return fail(err)
	}
	claim, err := claimNetwork()
	if err != nil {
		return fail(err)
	}
	defer claim.Close()
	return m.Run()
}

func fail(err error) int {
	fmt.Fprintln(os.Stderr, "envoytest:", err)
	return 1
}

// findEnvoy is $ENVOY, or the newest one in the lab's cache.
func findEnvoy() (string, error) {
	if path := os.Getenv("ENVOY"); path != "" {
		return filepath.Abs(path)
	}
	cache := os.Getenv("EASTWEST_LAB_CACHE")
	if cache == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return "", err
		}
		cache = filepath.Join(user, "eastwest-lab")
	}
	found, err := filepath.Glob(filepath.Join(cache, "envoy", "*", "envoy"))
	if err != nil {
		return "", err
	}
	var newest string
	var when int64
	for _, path := range found {
		if info, err := os.Stat(path); err == nil && info.ModTime().Unix() >= when {
			newest, when = path, info.ModTime().Unix()
		}
	}
	if newest == "" {
		return "", fmt.Errorf("no Envoy under %s; fix: bin/lab build, or set ENVOY", cache)
	}
	return newest, nil
}

// claimNetwork takes a part of 127.0.0.0/8 for this process alone, by a port that
// the kernel gives back however the process ends.
func claimNetwork() (net.Listener, error) {
	for second := 64; second < 128; second++ {
		run.network = fmt.Sprintf("127.%d", second)
		if claim, err := net.Listen("tcp", run.network+".255.254:15443"); err == nil {
			return claim, nil
		}
	}
	return nil, fmt.Errorf("no loopback network is free")
}
