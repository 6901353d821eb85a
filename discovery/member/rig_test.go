package member

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/eastwest-mesh/eastwest/api/v1alpha1"
	"github.com/eastwest-mesh/eastwest/discovery/model"
	"github.com/eastwest-mesh/eastwest/internal/kubeconfig"
	"github.com/eastwest-mesh/eastwest/internal/testapi"
)

func TestMain(m *testing.M) { os.Exit(testapi.MainWithoutLeaks(m)) }

// log keeps events as short lines.
type log struct {
	mu       sync.Mutex
	lines    []string
	problems []Problem
	members  map[model.MemberName]Member
	told     chan struct{}
}

func newLog() *log {
	return &log{members: map[model.MemberName]Member{}, told: make(chan struct{}, 1)}
}

func (l *log) Join(m Member)    { l.add("join "+string(m.Name()), &m) }
func (l *log) Replace(m Member) { l.add("replace "+string(m.Name()), &m) }

func (l *log) Leave(name model.MemberName) {
	l.add("leave "+string(name), nil)
}

func (l *log) Problems(all []Problem) {
	l.mu.Lock()
	l.problems = all
	l.mu.Unlock()
	var texts []string
	for _, one := range all {
		texts = append(texts, string(one.Member)+":"+one.Reason)
	}
	l.add(strings.TrimSpace("problems "+strings.Join(texts, " ")), nil)
}

func (l *log) add(line string, m *Member) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, line)
	if m != nil {
		l.members[m.Name()] = *m
	}
	select {
	case l.told <- struct{}{}:
	default:
	}
}

// take returns the lines since it was last called.
func (l *log) take() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	taken := l.lines
	l.lines = nil
	return taken
}

// has waits for a line.
func (l *log) has(t *testing.T, line string) {
	t.Helper()
	timeout := time.After(30 * time.Second)
	for {
		l.mu.Lock()
		found := slices.Contains(l.lines, line)
		all := slices.Clone(l.lines)
		l.mu.Unlock()
		if found {
			return
		}
		select {
		case <-l.told:
		case <-timeout:
			t.Fatalf("no %q in %q", line, all)
		}
	}
}

func options(events Events) Options {
	return Options{
		Own:    v1alpha1.MemberRecord{Name: "home", ClusterID: "home", Network: "net-home", UID: "uid-home"},
		Events: events,
	}
}

// authority is made once: keys take long.
var authority = sync.OnceValue(func() []byte {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotAfter: time.Now().AddDate(30, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
})

// kubeconfigOf is a good one whose token tells versions apart.
func kubeconfigOf(t testing.TB, name, token string) []byte {
	t.Helper()
	text, err := kubeconfig.Remote{ClusterID: name, Server: "https://192.0.2.1:6443", CA: authority(), Token: token}.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

const recordHead = "apiVersion: eastwest.dev/v1alpha1\nkind: MemberRecord\n"

// recordOf is a good one with extra lines.
func recordOf(name string, extra ...string) []byte {
	return []byte(recordHead + "name: " + name + "\nnetwork: net-" + name + "\n" + strings.Join(extra, "\n") + "\n")
}

// files are those of good members.
func files(t testing.TB, names ...string) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	for _, name := range names {
		all[name+kubeconfigSuffix] = kubeconfigOf(t, name, "token-"+name)
		all[name+recordSuffix] = recordOf(name, "uid: uid-"+name)
	}
	return all
}
