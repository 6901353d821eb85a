package renew

import (
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"os"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/eastwest-mesh/eastwest/api/v1alpha1"
	"github.com/eastwest-mesh/eastwest/internal/kubeconfig"
	"github.com/eastwest-mesh/eastwest/internal/testapi"
)

func TestMain(m *testing.M) { os.Exit(testapi.MainWithoutLeaks(m)) }

// TestARealTokenIsRenewed by its own account, with no other right than that, at
// half of its life and not before.
func TestARealTokenIsRenewed(t *testing.T) {
	t.Parallel()
	ctx, kube := t.Context(), testapi.Client(t)
	const namespace, account = "renew", "agent-east"
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	_, err := kube.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}, metav1.CreateOptions{})
	must(err)
	_, err = kube.CoreV1().ServiceAccounts(namespace).Create(ctx, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: account}}, metav1.CreateOptions{})
	must(err)
	_, err = kube.RbacV1().Roles(namespace).Create(ctx, &rbacv1.Role{
		ObjectMeta: metav1.ObjectMeta{Name: account},
		Rules:      []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"serviceaccounts/token"}, ResourceNames: []string{account}, Verbs: []string{"create"}}},
	}, metav1.CreateOptions{})
	must(err)
	_, err = kube.RbacV1().RoleBindings(namespace).Create(ctx, &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: account},
		Subjects:   []rbacv1.Subject{{Kind: "ServiceAccount", Name: account, Namespace: namespace}},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: account},
	}, metav1.CreateOptions{})
	must(err)
	life := int64(3600)
	granted, err := kube.CoreV1().ServiceAccounts(namespace).CreateToken(ctx, account, &authenticationv1.TokenRequest{
		Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: &life},
	}, metav1.CreateOptions{})
	must(err)
	config := testapi.Config(t)
	authority := config.CAData
	if len(authority) == 0 {
		authority, err = os.ReadFile(config.CAFile)
		must(err)
	}
	content, err := kubeconfig.Remote{ClusterID: "west", Server: config.Host, CA: authority, Token: granted.Status.Token}.Encode()
	must(err)
	_, err = kube.CoreV1().Secrets(namespace).Create(ctx, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "member-west", Labels: map[string]string{v1alpha1.LabelMember: "true"}},
		Data:       map[string][]byte{"west" + v1alpha1.KubeconfigSuffix: content, "west.member.yaml": []byte("name: west\n")},
	}, metav1.CreateOptions{})
	must(err)
	token := func() string {
		secret, err := kube.CoreV1().Secrets(namespace).Get(ctx, "member-west", metav1.GetOptions{})
		must(err)
		found, err := kubeconfig.Parse(secret.Data["west"+v1alpha1.KubeconfigSuffix], "", kubeconfig.Agent())
		must(err)
		if string(secret.Data["west.member.yaml"]) != "name: west\n" {
			t.Error("the record was changed")
		}
		return found.Config.BearerToken
	}
	r := &Renewer{Kube: kube, Namespace: namespace, Log: slog.New(slog.DiscardHandler)}
	must(r.once(ctx, time.Now().Add(20*time.Minute)))
	if token() != granted.Status.Token {
		t.Fatal("it was renewed after a third of its life")
	}
	must(r.once(ctx, time.Now().Add(40*time.Minute)))
	renewed := token()
	if renewed == granted.Status.Token {
		t.Fatal("it was not renewed after two thirds of its life")
	}
	review, err := kube.AuthenticationV1().TokenReviews().Create(ctx, &authenticationv1.TokenReview{Spec: authenticationv1.TokenReviewSpec{Token: renewed}}, metav1.CreateOptions{})
	must(err)
	if !review.Status.Authenticated || review.Status.User.Username != "system:serviceaccount:renew:agent-east" {
		t.Errorf("the new token is %+v", review.Status.User)
	}
}

// jwt is a token with some claims; nobody here looks at its signature.
func jwt(claims map[string]any) string {
	text, _ := json.Marshal(claims)
	part := base64.RawURLEncoding.EncodeToString
	return part([]byte(`{}`)) + "." + part(text) + "." + part([]byte("signature"))
}

func TestWhatCanBeRenewed(t *testing.T) {
	t.Parallel()
	subject := "system:serviceaccount:ns:name"
	for name, tc := range map[string]struct {
		token string
		want  bool
	}{
		"of a service account":  {jwt(map[string]any{"sub": subject, "iat": 1000, "exp": 2000}), true},
		"that never ends":       {jwt(map[string]any{"sub": subject, "iat": 1000}), false},
		"that ended before":     {jwt(map[string]any{"sub": subject, "iat": 2000, "exp": 1000}), false},
		"of a person":           {jwt(map[string]any{"sub": "jane", "iat": 1000, "exp": 2000}), false},
		"with another subject":  {jwt(map[string]any{"sub": "system:node:a:b", "iat": 1000, "exp": 2000}), false},
		"no JWT":                {"abc", false},
		"three parts of no use": {"a.b.c", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, ok := read(tc.token); ok != tc.want {
				t.Errorf("renewable %v, want %v", ok, tc.want)
			}
		})
	}
}
