//go:build envoy

package envoytest

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/eastwest-mesh/eastwest/discovery/model"
	"github.com/eastwest-mesh/eastwest/installer/render"
	"github.com/eastwest-mesh/eastwest/internal/testca"
)

// drainSeconds is how long the gateways drain.
const drainSeconds = 10

// gateway is the Envoy of a member, as its chart would run it.
type gateway struct {
	t      *testing.T
	member model.MemberName
	agent  *agent
	ip     string
	folder string
	args   []string
	// process is nil while it does not run; ended is closed after it.
	process *os.Process
	ended   chan struct{}
}

// gateway starts the Envoy of a member and waits until it has all there is.
// Changes edit its bootstrap.
func (m *mesh) gateway(name model.MemberName, changes ...func(bootstrap string) string) *gateway {
	m.t.Helper()
	g := m.newGateway(name, changes...)
	g.start()
	g.awaitLive()
	return g
}

// newGateway renders what a gateway runs with.
func (m *mesh) newGateway(name model.MemberName, changes ...func(bootstrap string) string) *gateway {
	m.t.Helper()
	g := &gateway{t: m.t, member: name, agent: m.agents[name], ip: m.members[name].Gateways[0].Host, folder: m.t.TempDir()}
	config, args := chart(m.t, name, g.ip)
	for file, text := range config {
		if file == "envoy.yaml" {
			for _, change := range changes {
				text = change(text)
			}
		}
		testca.Write(m.t, g.folder, map[string][]byte{file: []byte(g.local(text))})
	}
	for _, arg := range args {
		g.args = append(g.args, strings.ReplaceAll(g.local(arg), "$(POD_NAME)", "gateway-"+string(name)))
	}
	// Several run on one host, where in a pod each is alone.
	g.args = append(g.args, "--disable-hot-restart")
	g.mount()
	m.t.Cleanup(g.showLog)
	m.t.Cleanup(g.kill)
	return g
}

// chart is the configuration of a gateway and the arguments of its Envoy.
func chart(t *testing.T, name model.MemberName, ip string) (files map[string]string, args []string) {
	t.Helper()
	objects, err := render.Chart(render.Release{
		Chart: "eastwest-gateway", Namespace: "eastwest-system",
		Layers: []render.Values{{
			"dataplane": "envoy", "name": "eastwest-gateway", "network": string(name), "member": string(name),
			"trustDomain": testca.TrustDomain, "image": "unused", "agent": map[string]any{"host": ip, "port": agentPort},
			"envoy": map[string]any{"drainSeconds": drainSeconds},
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, object := range objects {
		switch object.GetKind() {
		case "ConfigMap":
			files, _, err = unstructured.NestedStringMap(object.Object, "data")
		case "Deployment":
			var containers []any
			containers, _, err = unstructured.NestedSlice(object.Object, "spec", "template", "spec", "containers")
			args, _, _ = unstructured.NestedStringSlice(containers[0].(map[string]any), "args")
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(files) == 0 || len(args) == 0 {
		t.Fatal("the chart has no configuration or no Envoy")
	}
	return files, args
}

// local puts the paths and addresses of a pod into a folder and onto loopback.
func (g *gateway) local(text string) string {
	return strings.NewReplacer(
		"/etc/eastwest/envoy", g.folder, "/etc/eastwest/certs", filepath.Join(g.folder, "certs"),
		"127.0.0.1", g.ip, `"::", ipv4_compat: true`, g.ip,
	).Replace(text)
}

// mount gives Envoy its first certificate, as a volume of a Secret would: the
// files are exchanged by renaming one symbolic link.
func (g *gateway) mount() {
	g.t.Helper()
	certs := filepath.Join(g.folder, "certs")
	version := filepath.Join(certs, fmt.Sprintf("..%d", time.Now().UnixNano()))
	if err := os.MkdirAll(version, 0o755); err != nil {
		g.t.Fatal(err)
	}
	pair, err := g.agent.authority.Issue(gatewayID(g.member), 0)
	if err != nil {
		g.t.Fatal(err)
	}
	files := map[string][]byte{"tls.crt": pair.Chain, "tls.key": pair.Key.PEM(), "ca.crt": pair.Roots}
	testca.Write(g.t, version, files)
	for name := range files {
		if err := os.Symlink(filepath.Join("..data", name), filepath.Join(certs, name)); err != nil && !os.IsExist(err) {
			g.t.Fatal(err)
		}
	}
	next := filepath.Join(certs, "..data_tmp")
	if err := errors.Join(os.Symlink(filepath.Base(version), next), os.Rename(next, filepath.Join(certs, "..data"))); err != nil {
		g.t.Fatal(err)
	}
}

// start runs Envoy, which dies with this process.
func (g *gateway) start() {
	g.t.Helper()
	log, err := os.OpenFile(filepath.Join(g.folder, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		g.t.Fatal(err)
	}
	cmd := exec.Command(run.envoy, g.args...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	started, ended := make(chan error), make(chan struct{})
	go func() {
		defer close(ended)
		defer log.Close()
		// The signal comes when the thread that started it ends.
		runtime.LockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		g.t.Fatal(err)
	}
	g.process, g.ended = cmd.Process, ended
}

// awaitLive waits until Envoy serves, and has acknowledged all there is.
func (g *gateway) awaitLive() time.Duration {
	g.t.Helper()
	return await(g.t, "gateway of "+string(g.member)+" is live", 30*time.Second, func() error {
		select {
		case <-g.ended:
			g.t.Fatalf("the Envoy of %s ended", g.member)
		default:
		}
		if text, err := g.get("/ready"); err != nil || !strings.HasPrefix(text, "LIVE") {
			return fmt.Errorf("%q %w", text, err)
		}
		return g.agent.settled()
	})
}

// kill ends Envoy at once.
func (g *gateway) kill() {
	if g.process != nil {
		_ = g.process.Kill()
		<-g.ended
		g.process = nil
	}
}

// signal is for stopping and waking.
func (g *gateway) signal(signal os.Signal) {
	g.t.Helper()
	if err := g.process.Signal(signal); err != nil {
		g.t.Fatal(err)
	}
}

func (g *gateway) showLog() {
	if !g.t.Failed() {
		return
	}
	text, _ := os.ReadFile(filepath.Join(g.folder, "log"))
	g.t.Logf("log of the Envoy of %s:\n%s", g.member, text[max(0, len(text)-4000):])
}

// admin is Envoy's admin port.
func (g *gateway) admin() string { return g.ip + ":15000" }

func (g *gateway) get(path string) (string, error) {
	response, err := http.Get("http://" + g.admin() + path)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return string(text), err
}

func (g *gateway) post(path string) {
	g.t.Helper()
	response, err := http.Post("http://"+g.admin()+path, "", nil)
	if err != nil {
		g.t.Fatal(err)
	}
	response.Body.Close()
}

// counters are all counters and gauges of now.
func (g *gateway) counters() map[string]int {
	g.t.Helper()
	text, err := g.get("/stats")
	if err != nil {
		g.t.Fatal(err)
	}
	found := map[string]int{}
	for line := range strings.Lines(text) {
		at := strings.LastIndex(line, ": ")
		if at < 0 {
			continue
		}
		if value, err := strconv.Atoi(strings.TrimSpace(line[at+2:])); err == nil {
			found[line[:at]] = value
		}
	}
	return found
}

// health is nil when Envoy holds the host of a cluster for healthy.
func (g *gateway) health(cluster, host string) error {
	text, err := g.get("/clusters")
	if err != nil {
		return err
	}
	for line := range strings.Lines(text) {
		if flags, found := strings.CutPrefix(line, cluster+"::"+host+"::health_flags::"); found {
			if flags = strings.TrimSpace(flags); flags != "healthy" {
				return fmt.Errorf("%s: %s", host, flags)
			}
			return nil
		}
	}
	return fmt.Errorf("%s has no host %s", cluster, host)
}
