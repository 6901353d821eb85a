//go:build e2e

package agentfaults

import (
	"context"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"github.com/eastwest-mesh/eastwest/api/v1alpha1"
	"github.com/eastwest-mesh/eastwest/internal/testca"
)

// writeRecord writes the Secret of a member, which goes with the test.
func (c *cluster) writeRecord(t *testing.T, name string, files map[string][]byte) {
	t.Helper()
	secrets := c.kube.CoreV1().Secrets(agentNamespace)
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: v1alpha1.MemberSecret(name), Labels: map[string]string{v1alpha1.LabelMember: "true"}},
		Data:       files,
	}
	_, err := secrets.Create(t.Context(), secret, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		_, err = secrets.Update(t.Context(), secret, metav1.UpdateOptions{})
		must(t, err)
		return
	}
	must(t, err)
	t.Cleanup(func() {
		if err := secrets.Delete(context.WithoutCancel(t.Context()), secret.Name, metav1.DeleteOptions{}); err != nil {
			t.Error(err)
		}
	})
}

// recordOf is what is known of a member before it is asked.
func recordOf(name string) []byte {
	return fmt.Appendf(nil, `apiVersion: eastwest.dev/v1alpha1
kind: MemberRecord
name: %s
network: net-%[1]s
identity: %s
advertised: ["%s"]
`, name, identity(name), gatewayAddress(name))
}

func identity(name string) string {
	return "spiffe://" + testca.TrustDomain + "/ns/eastwest-system/sa/gateway-" + name
}

// gatewayAddress is where peers dial the gateway of the member cN.
func gatewayAddress(name string) string {
	return "192.0.2." + strings.TrimPrefix(name, "c") + ":15443"
}

// record writes the files of a member, or its Secret.
func (a *agent) record(t *testing.T, m member) {
	t.Helper()
	gatewayOf(t, m.name)
	files := map[string][]byte{m.name + ".member.yaml": recordOf(m.name), m.name + ".kubeconfig": kubeconfig(m.config)}
	if a.secrets {
		own.writeRecord(t, m.name, files)
		return
	}
	testca.Write(t, filepath.Join(a.folder, "members"), files)
}

func kubeconfig(config *rest.Config) []byte {
	return fmt.Appendf(nil, `apiVersion: v1
kind: Config
current-context: it
contexts: [{name: it, context: {cluster: it, user: it}}]
users: [{name: it, user: {token: "%s"}}]
clusters: [{name: it, cluster: {server: "%s", certificate-authority-data: "%s"}}]
`, config.BearerToken, config.Host, base64.StdEncoding.EncodeToString(config.CAData))
}

// leave takes the record of a member away, and waits until the agent has let it go.
func (a *agent) leave(t *testing.T, name string) {
	t.Helper()
	for _, ending := range []string{".member.yaml", ".kubeconfig"} {
		must(t, os.Remove(filepath.Join(a.folder, "members", name+ending)))
	}
	await(t, name+" has left", func(ctx context.Context) error {
		_, err := a.standing(ctx, name)
		return unless(err != nil, "it has not")
	})
}
