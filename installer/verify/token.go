package verify

import (
	"context"
	"net/http"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Accepts asks the member's API server about a token by reviews, which store
// nothing: 200, 401 or, where it may not list services, 403. It is 0 where the
// question could not be asked.
func (m *Member) Accepts(ctx context.Context, token string) int {
	if token == "" {
		return 0
	}
	review, err := m.Kube.AuthenticationV1().TokenReviews().Create(ctx, &authenticationv1.TokenReview{
		Spec: authenticationv1.TokenReviewSpec{Token: token},
	}, metav1.CreateOptions{})
	switch {
	case err != nil:
		return 0
	case !review.Status.Authenticated:
		return http.StatusUnauthorized
	}
	access, err := m.Kube.AuthorizationV1().SubjectAccessReviews().Create(ctx, &authorizationv1.SubjectAccessReview{
		Spec: authorizationv1.SubjectAccessReviewSpec{
			User: review.Status.User.Username, Groups: review.Status.User.Groups, UID: review.Status.User.UID,
			ResourceAttributes: &authorizationv1.ResourceAttributes{Verb: "list", Group: "discovery.k8s.io", Resource: "endpointslices"},
		},
	}, metav1.CreateOptions{})
	if err == nil && !access.Status.Allowed {
		return http.StatusForbidden
	}
	return http.StatusOK
}
