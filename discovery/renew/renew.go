// Package renew keeps the agent's credentials for other members alive: the tokens
// in members' Secrets have a bounded life, and each account may ask for new tokens
// of its own. A token is renewed at about half of its life, so that two valid ones
// overlap; a failure leaves the one that is there.
//
// It must not know what the credentials are used for: whoever reads the Secrets
// sees that they have changed.
package renew

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/eastwest-mesh/eastwest/api/v1alpha1"
	"github.com/eastwest-mesh/eastwest/internal/kubeconfig"
)

// expiryAnnotation is where the installer and people read when a token ends.
const expiryAnnotation = "eastwest.dev/token-expiry"

// Renewer renews tokens. One replica at a time may run it.
type Renewer struct {
	// Kube is the own cluster, Namespace where the members' Secrets are.
	Kube      kubernetes.Interface
	Namespace string
	// Look is how often the Secrets are looked at; 15 s by default, a tenth of
	// what is left of the shortest token there can be when it is due.
	Look time.Duration
	Log  *slog.Logger
}

const (
	defaultLook = 15 * time.Second
	// callLimit bounds a call to another member.
	callLimit = 10 * time.Second
	// leastLife is the shortest that an API server grants
	// (k8s.io/kubernetes/pkg/apis/authentication/validation).
	leastLife = 10 * time.Minute
)

// Run renews until ctx ends.
func (r *Renewer) Run(ctx context.Context) {
	look := r.Look
	if look == 0 {
		look = defaultLook
	}
	ticker := time.NewTicker(look)
	defer ticker.Stop()
	for {
		if err := r.once(ctx, time.Now()); err != nil && ctx.Err() == nil {
			r.Log.Warn("renew credentials", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// once renews what is due. What fails keeps nothing else from being renewed.
func (r *Renewer) once(ctx context.Context, now time.Time) error {
	list, err := r.Kube.CoreV1().Secrets(r.Namespace).List(ctx, metav1.ListOptions{LabelSelector: v1alpha1.LabelMember + "=true"})
	if err != nil {
		return fmt.Errorf("list members' Secrets: %w", err)
	}
	var failures []error
	for i := range list.Items {
		secret := &list.Items[i]
		for key := range secret.Data {
			member, found := strings.CutSuffix(key, v1alpha1.KubeconfigSuffix)
			if !found {
				continue
			}
			if err := r.renew(ctx, secret, member, now); err != nil {
				failures = append(failures, fmt.Errorf("member %s: %w", member, err))
			}
		}
	}
	return errors.Join(failures...)
}

// renew asks the member for a new token, if the one that is there is due, and
// writes it.
func (r *Renewer) renew(ctx context.Context, secret *corev1.Secret, member string, now time.Time) error {
	found, err := kubeconfig.Parse(secret.Data[member+v1alpha1.KubeconfigSuffix], "", kubeconfig.Agent())
	if err != nil {
		return nil //nolint:nilerr // whoever reads members says what is wrong with it
	}
	old, ok := read(found.Config.BearerToken)
	if !ok || !old.due(now) {
		return nil
	}
	granted, err := r.request(ctx, found.Config, old)
	if err != nil {
		return err
	}
	content, err := kubeconfig.Remote{
		ClusterID: found.Context, Server: found.Server, CA: found.CA, TLSServerName: found.TLSServerName, Token: granted.Token,
	}.Encode()
	if err != nil {
		return err
	}
	expiry := granted.ExpirationTimestamp.UTC().Format(time.RFC3339)
	patch, err := json.Marshal(map[string]any{
		"metadata": map[string]any{
			"resourceVersion": secret.ResourceVersion, // whoever wrote meanwhile wins
			"annotations":     map[string]string{expiryAnnotation: expiry},
		},
		"data": map[string][]byte{member + v1alpha1.KubeconfigSuffix: content},
	})
	if err != nil {
		return fmt.Errorf("encode the new credential: %w", err)
	}
	written, err := r.Kube.CoreV1().Secrets(r.Namespace).Patch(ctx, secret.Name, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: "eastwest-agent"})
	if apierrors.IsConflict(err) {
		return nil // the next look sees what is there now
	}
	if err != nil {
		return fmt.Errorf("write Secret %s/%s: %w", r.Namespace, secret.Name, err)
	}
	secret.ResourceVersion = written.ResourceVersion
	r.Log.Info("renewed a credential", "member", member, "expires", expiry)
	return nil
}

// request asks for a token of the same account with the same life.
func (r *Renewer) request(ctx context.Context, config *rest.Config, old claims) (authenticationv1.TokenRequestStatus, error) {
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return authenticationv1.TokenRequestStatus{}, fmt.Errorf("connect: %w", err)
	}
	seconds := int64(max(old.life(), leastLife) / time.Second)
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: &seconds}}
	granted, err := client.CoreV1().ServiceAccounts(old.namespace).CreateToken(ctx, old.account, request, metav1.CreateOptions{})
	if err != nil {
		return authenticationv1.TokenRequestStatus{}, fmt.Errorf("ask for a new token of account %s/%s: %w", old.namespace, old.account, err)
	}
	return granted.Status, nil
}
