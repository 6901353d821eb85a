//go:build e2e

package e2e

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// testWebhook is row F50: an admission webhook of the user's in c2 is in the way
// of the account that c1 gets there.
func testWebhook(t *testing.T) {
	for name, tt := range map[string]struct {
		hook *webhook
		// says are parts of stderr, least and most the bounds of the tries.
		says        []string
		least, most int64
	}{
		"denies what is planned": {&webhook{deny: true, dryRuns: true}, []string{frozen}, 1, 1},
		"denies what is written": {&webhook{deny: true}, []string{frozen}, 1, 1},
		"times out":              {&webhook{dryRuns: true}, []string{"failed calling webhook", "frozen.example.com"}, 2, 3},
	} {
		t.Run(name, func(t *testing.T) {
			tt.hook.serve(t)
			report, r := createMeshReport(t, 3, createMesh([]int{1, 2})...)
			r.wantErr(t, append(tt.says, "ClusterRole eastwest-istiod-c1", "c2")...)
			if n := tt.hook.refused.Load(); n < tt.least || n > tt.most {
				t.Errorf("it tried %d times, want %d to %d", n, tt.least, tt.most)
			}
			for _, l := range report.Links {
				if failed := l.Consumer == "c1"; (l.Error != "") != failed {
					t.Errorf("link %s -> %s: error %q", l.Consumer, l.Producer, l.Error)
				}
			}
			wantSecrets(t, 1)
			wantSecrets(t, 2, "istio-remote-secret-c1")
			kubectl(t, 2, "delete", "validatingwebhookconfiguration", "frozen")
			must(t, createMesh([]int{1, 2})...)
			wantRemotes(t, 1, 2)
			unlink(t)
		})
	}
}

// frozen is what the webhook says when it denies.
const frozen = "cluster roles are frozen until Monday"

// webhook is in the way of our cluster roles in c2: it denies them or does not
// answer. It lets dry runs pass unless told otherwise.
type webhook struct {
	deny, dryRuns bool
	// asked counts the requests, refused those that did not pass.
	asked, refused atomic.Int64
}

// serve starts the webhook on the lab's bridge and tells c2 of it.
func (h *webhook) serve(t *testing.T) {
	t.Helper()
	address := netip.MustParsePrefix(suite.lab.BridgeCIDR).Addr().Next().String()
	listener, err := net.Listen("tcp", net.JoinHostPort(address, "0"))
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(h.answer))
	server.Listener = listener
	certificate, authority := selfSigned(t, address)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}}
	server.StartTLS()
	t.Cleanup(server.Close)
	t.Cleanup(func() { kubectl(t, 2, "delete", "validatingwebhookconfiguration", "frozen", "--ignore-not-found") })
	apply(t, 2, fmt.Sprintf(`
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: frozen}
webhooks:
- name: frozen.example.com
  admissionReviewVersions: [v1]
  sideEffects: None
  timeoutSeconds: 1
  failurePolicy: Fail
  objectSelector: {matchLabels: {app.kubernetes.io/managed-by: eastwest}}
  rules: [{apiGroups: [rbac.authorization.k8s.io], apiVersions: ["*"], resources: [clusterroles], operations: [CREATE, UPDATE]}]
  clientConfig: {url: "https://%s/", caBundle: %s}
`, listener.Addr(), authority))
	h.awaitInForce(t)
}

// awaitInForce waits until the API server asks the webhook.
func (h *webhook) awaitInForce(t *testing.T) {
	t.Helper()
	const trial = `
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: trial, labels: {app.kubernetes.io/managed-by: eastwest}}`
	await(t, "the webhook to be in force", 30*time.Second, func(ctx context.Context) error {
		_, err := tool(ctx, suite.lab.Tools().Kubectl, cluster(2), trial, "create", "--dry-run=server", "-f", "-")
		if h.asked.Load() == 0 {
			return fmt.Errorf("it was not asked: %v", err)
		}
		return nil
	})
	h.refused.Store(0)
}

// answer is the webhook itself.
func (h *webhook) answer(w http.ResponseWriter, r *http.Request) {
	var review admissionv1.AdmissionReview
	if err := json.NewDecoder(r.Body).Decode(&review); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	h.asked.Add(1)
	dry := review.Request.DryRun != nil && *review.Request.DryRun
	review.Response = &admissionv1.AdmissionResponse{UID: review.Request.UID, Allowed: dry && !h.dryRuns}
	if !review.Response.Allowed {
		h.refused.Add(1)
		if !h.deny {
			<-r.Context().Done() // until the API server gives up
			return
		}
		review.Response.Result = &metav1.Status{Message: frozen}
	}
	_ = json.NewEncoder(w).Encode(review) // the API server sees what is missing
}

// selfSigned is a certificate for an address, and its authority for a caBundle.
func selfSigned(t *testing.T, address string) (tls.Certificate, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IPAddresses: []net.IP{net.ParseIP(address)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, base64.StdEncoding.EncodeToString(text)
}
