package peer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
)

// TestTokensAreNeverPrinted tries every way by which one gets into a log.
func TestTokensAreNeverPrinted(t *testing.T) {
	t.Parallel()
	token := Token{Kind: Bounded, Expiry: time.Unix(0, 0), Value: "hush-hush"}
	remote := Remote{Name: "s", Token: token}
	asJSON, err := json.Marshal(map[string]any{"token": token, "remote": remote})
	if err != nil {
		t.Fatal(err)
	}
	said := []string{string(asJSON), token.String(), fmt.Errorf("with %w and %v", errors.New("x"), token).Error()}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%10.3v"} {
		said = append(said, fmt.Sprintf(verb, token), fmt.Sprintf(verb, &token), fmt.Sprintf(verb, []Token{token}), fmt.Sprintf(verb, remote))
	}
	for _, text := range said {
		if strings.Contains(text, "hush") || strings.Contains(strings.ToLower(text), fmt.Sprintf("%x", "hush")) {
			t.Errorf("it is printed: %s", text)
		}
	}
	if token.String() != "bounded token" {
		t.Errorf("got %q", token)
	}
}

func account() Account { return Account{Consumer: "west", Producer: "east"} }

func tokenSecret(data map[string][]byte) *corev1.Secret {
	return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "istiod-west-token", Namespace: AccountNamespace}, Data: data}
}

// TestReadTokenWaitsForTheController, which makes the Secret, and then fills it.
func TestReadTokenWaitsForTheController(t *testing.T) {
	t.Parallel()
	kube := fake.NewClientset()
	reads := 0
	kube.PrependReactor("get", "secrets", func(clienttesting.Action) (bool, runtime.Object, error) {
		switch reads++; reads {
		case 1:
			return false, nil, nil // there is none yet
		case 2:
			return true, tokenSecret(nil), nil
		}
		return true, tokenSecret(map[string][]byte{"token": []byte("abc")}), nil
	})
	token, err := ReadToken(t.Context(), kube, account())
	if err != nil || token.Kind != LongLived || token.Value != "abc" || !token.Expiry.IsZero() || reads != 3 {
		t.Errorf("got %v (%d reads), %v", token, reads, err)
	}
}

func TestReadTokenEnds(t *testing.T) {
	t.Parallel()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	forbidden := errors.New("forbidden")
	for name, tc := range map[string]struct {
		ctx   context.Context
		react error
		want  error
	}{
		"with its context":   {ended, nil, context.Canceled},
		"where it is denied": {t.Context(), forbidden, forbidden},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			kube := fake.NewClientset()
			if tc.react != nil {
				kube.PrependReactor("get", "secrets", func(clienttesting.Action) (bool, runtime.Object, error) { return true, nil, tc.react })
			}
			_, err := ReadToken(tc.ctx, kube, account())
			if !errors.Is(err, tc.want) || !strings.Contains(err.Error(), "eastwest-system/istiod-west-token") {
				t.Errorf("got %v, want %v with the Secret's name", err, tc.want)
			}
		})
	}
}

func TestPeekToken(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		objects []runtime.Object
		value   string
		ok      bool
	}{
		"no account yet":    {nil, "", false},
		"not filled yet":    {[]runtime.Object{tokenSecret(nil)}, "", false},
		"there is a token":  {[]runtime.Object{tokenSecret(map[string][]byte{"token": []byte("abc")})}, "abc", true},
		"something else":    {[]runtime.Object{tokenSecret(map[string][]byte{"ca.crt": []byte("x")})}, "", false},
		"an empty token is": {[]runtime.Object{tokenSecret(map[string][]byte{"token": {}})}, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			token, ok, err := PeekToken(t.Context(), fake.NewClientset(tc.objects...), account())
			if err != nil || ok != tc.ok || token.Value != tc.value {
				t.Errorf("got %v %v %v", token, ok, err)
			}
		})
	}
}

// TestMintTokenKeepsWhatWasGranted, which may be less than was asked for.
func TestMintTokenKeepsWhatWasGranted(t *testing.T) {
	t.Parallel()
	expiry := metav1.NewTime(time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC))
	kube := fake.NewClientset()
	kube.PrependReactor("create", "serviceaccounts", func(action clienttesting.Action) (bool, runtime.Object, error) {
		request := action.(clienttesting.CreateActionImpl).Object.(*authenticationv1.TokenRequest)
		if action.GetSubresource() != "token" || action.GetNamespace() != AccountNamespace || *request.Spec.ExpirationSeconds != 3600 {
			t.Errorf("asked for %s in %s, %+v", action.GetSubresource(), action.GetNamespace(), request.Spec)
		}
		return true, &authenticationv1.TokenRequest{Status: authenticationv1.TokenRequestStatus{Token: "abc", ExpirationTimestamp: expiry}}, nil
	})
	token, err := MintToken(t.Context(), kube, account(), time.Hour)
	if err != nil || token.Kind != Bounded || token.Value != "abc" || !token.Expiry.Equal(expiry.Time) {
		t.Errorf("got %v until %v, %v", token, token.Expiry, err)
	}
}
