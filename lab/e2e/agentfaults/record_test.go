//go:build e2e

package agentfaults

import (
	"context"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/eastwest-mesh/eastwest/api/v1alpha1"
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
