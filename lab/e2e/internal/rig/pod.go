package rig

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/eastwest-mesh/eastwest/lab/e2e/internal/netns"
)

// Namespace is that of the agents and gateways.
const Namespace = "eastwest-system"

// Pod is a pod that runs.
type Pod struct {
	Name, IP  string
	container string
	// Ready is what the kubelet says.
	Ready bool
	// Restarts counts those of its container.
	Restarts int
}

// Pods are the pods of cluster i with this label app that are not being deleted and
// have an address.
func (r *Rig) Pods(ctx context.Context, i int, app string) ([]Pod, error) {
	out, err := r.Try(ctx, i, "-n", Namespace, "get", "pods", "-l", "app="+app, "-o", "json")
	if err != nil {
		return nil, err
	}
	var list struct {
		Items []struct {
			Metadata struct{ Name, DeletionTimestamp string }
			Status   struct {
				PodIP             string
				ContainerStatuses []struct {
					ContainerID  string
					Ready        bool
					RestartCount int
				}
			}
		}
	}
	if err := json.Unmarshal([]byte(out), &list); err != nil {
		return nil, err
	}
	var pods []Pod
	for _, one := range list.Items {
		if one.Metadata.DeletionTimestamp != "" || one.Status.PodIP == "" || len(one.Status.ContainerStatuses) != 1 {
			continue
		}
		c := one.Status.ContainerStatuses[0]
		_, id, _ := strings.Cut(c.ContainerID, "://")
		pods = append(pods, Pod{one.Metadata.Name, one.Status.PodIP, id, c.Ready, c.RestartCount})
	}
	return pods, nil
}

// AwaitPods waits until so many pods, and no others, are ready.
func (r *Rig) AwaitPods(t *testing.T, i int, app string, count int) []Pod {
	t.Helper()
	var pods []Pod
	Await(t, fmt.Sprintf("%d pods of %s in cluster %d are ready", count, app, i), 90*time.Second, func(ctx context.Context) error {
		var err error
		if pods, err = r.Pods(ctx, i, app); err != nil {
			return err
		}
		for _, one := range pods {
			if !one.Ready {
				return fmt.Errorf("pods %+v", pods)
			}
		}
		if len(pods) != count {
			return fmt.Errorf("pods %+v", pods)
		}
		return nil
	})
	return pods
}

// PID is the process of the pod's container, as the host sees it.
func (p Pod) PID() (int, error) {
	files, err := filepath.Glob("/proc/[0-9]*/cgroup")
	if err != nil {
		return 0, err
	}
	for _, file := range files {
		// Most that cannot be read have ended meanwhile.
		if content, err := os.ReadFile(file); err == nil && p.container != "" && bytes.Contains(content, []byte(p.container)) {
			return strconv.Atoi(filepath.Base(filepath.Dir(file)))
		}
	}
	return 0, fmt.Errorf("pod %s: no process in container %q", p.Name, p.container)
}

// Kill ends the pod's process at once, as a crash does.
func (p Pod) Kill(t *testing.T) {
	t.Helper()
	pid, err := p.PID()
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Kill(pid, unix.SIGKILL); err != nil {
		t.Fatalf("kill pod %s: %v", p.Name, err)
	}
}

// Metrics are the values that a port of a pod in cluster i serves.
func (r *Rig) Metrics(ctx context.Context, i int, p Pod, port int, path string) (Metrics, error) {
	text, err := fetch(ctx, r.Netns(i), net.JoinHostPort(p.IP, strconv.Itoa(port)), path)
	if err != nil {
		return nil, err
	}
	return parse(text), nil
}

// Netns is the path of the network namespace of cluster i.
func (r *Rig) Netns(i int) string { return filepath.Join("/run/netns", r.Cluster(i).Netns) }

func fetch(ctx context.Context, namespace, address, path string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	client := http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return netns.Dial(ctx, namespace, address, time.Second)
		},
	}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+path, nil)
	if err != nil {
		return "", err
	}
	answer, err := client.Do(request)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	content, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = errors.New(answer.Status + ": " + string(content))
	}
	return string(content), err
}

// Metrics are values by name with labels, as the page has them.
type Metrics map[string]float64

func parse(text string) Metrics {
	values := Metrics{}
	for line := range strings.Lines(text) {
		at := strings.LastIndexByte(strings.TrimSpace(line), ' ')
		if at < 0 || line[0] == '#' {
			continue
		}
		if value, err := strconv.ParseFloat(strings.TrimSpace(line[at:]), 64); err == nil {
			values[line[:at]] = value
		}
	}
	return values
}

// Sum adds all values whose names begin with prefix and contain every part.
func (m Metrics) Sum(prefix string, parts ...string) float64 {
	sum := 0.0
names:
	for name, value := range m {
		if !strings.HasPrefix(name, prefix) {
			continue
		}
		for _, part := range parts {
			if !strings.Contains(name, part) {
				continue names
			}
		}
		sum += value
	}
	return sum
}
