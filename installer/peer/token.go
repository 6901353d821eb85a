package peer

import (
	"context"
	"fmt"
	"io"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

const timeLayout = time.RFC3339

// TokenKind says how a token came to be.
type TokenKind string

const (
	// LongLived is the token of a service-account token Secret: it does not
	// expire and dies with its account.
	LongLived TokenKind = "secret"
	// Bounded is a requested token with an expiry.
	Bounded TokenKind = "bounded"
)

// Token is a bearer token and what is known of it.
type Token struct {
	Kind   TokenKind
	Expiry time.Time
	// Value is the secret itself; it must not be logged or printed.
	Value string `json:"-"`
}

// String hides the value.
func (t Token) String() string { return string(t.Kind) + " token" }

// Format hides the value from every verb, also from those that do not ask String.
func (t Token) Format(state fmt.State, _ rune) { _, _ = io.WriteString(state, t.String()) }

// ReadToken waits until the token Secret of an account is filled.
func ReadToken(ctx context.Context, kube kubernetes.Interface, account Account) (Token, error) {
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for {
		secret, err := kube.CoreV1().Secrets(AccountNamespace).Get(ctx, account.TokenSecret(), metav1.GetOptions{})
		if err != nil && !apierrors.IsNotFound(err) {
			return Token{}, fmt.Errorf("read token Secret %s/%s: %w", AccountNamespace, account.TokenSecret(), err)
		}
		if err == nil && len(secret.Data[corev1.ServiceAccountTokenKey]) > 0 {
			return Token{Kind: LongLived, Value: string(secret.Data[corev1.ServiceAccountTokenKey])}, nil
		}
		select {
		case <-ctx.Done():
			return Token{}, fmt.Errorf("wait for token Secret %s/%s to be filled: %w", AccountNamespace, account.TokenSecret(), ctx.Err())
		case <-ticker.C:
		}
	}
}

// PeekToken returns the token of an account that may not exist yet.
func PeekToken(ctx context.Context, kube kubernetes.Interface, account Account) (token Token, ok bool, err error) {
	secret, err := kube.CoreV1().Secrets(AccountNamespace).Get(ctx, account.TokenSecret(), metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return Token{}, false, nil
	}
	if err != nil {
		return Token{}, false, fmt.Errorf("read token Secret %s/%s: %w", AccountNamespace, account.TokenSecret(), err)
	}
	value := secret.Data[corev1.ServiceAccountTokenKey]
	return Token{Kind: LongLived, Value: string(value)}, len(value) > 0, nil
}

// MintToken requests a token with a bounded life. The server may grant less
// than asked; the expiry is what it granted.
func MintToken(ctx context.Context, kube kubernetes.Interface, account Account, life time.Duration) (Token, error) {
	seconds := int64(life / time.Second)
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: &seconds}}
	granted, err := kube.CoreV1().ServiceAccounts(AccountNamespace).
		CreateToken(ctx, account.ServiceAccount(), request, metav1.CreateOptions{FieldManager: "eastwest"})
	if err != nil {
		return Token{}, fmt.Errorf("request a token for account %s/%s: %w", AccountNamespace, account.ServiceAccount(), err)
	}
	return Token{Kind: Bounded, Expiry: granted.Status.ExpirationTimestamp.Time, Value: granted.Status.Token}, nil
}
