package mcs

import (
	"errors"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/eastwest-mesh/eastwest/api/v1alpha1"
)

// Standing is what a Writer has found out about its cluster.
type Standing struct {
	// Unserved are the dialects whose API is not served.
	Unserved []string
	// Foreign are the dialects that somebody else owns, of which nothing is written.
	Foreign []v1alpha1.ForeignDialect
	// Denied is why the API server last refused a write for want of rights; empty where
	// it did not.
	Denied string
}

// Standing is what was found out last; false before anything was.
func (w *Writer) Standing() (Standing, bool) {
	if said := w.said.Load(); said != nil {
		return *said, true
	}
	return Standing{}, false
}

// stand keeps what Standing returns. A refusal is said as long as it stands, though
// passes in between do not try again what was refused.
func (w *Writer) stand(owned []v1alpha1.ForeignDialect) {
	said := Standing{Foreign: owned}
	for i, one := range w.open {
		foreign := func(other v1alpha1.ForeignDialect) bool { return other.Group == dialects[i].group }
		if one == nil && !slices.ContainsFunc(owned, foreign) {
			said.Unserved = append(said.Unserved, dialects[i].group)
		}
	}
	for _, one := range w.failures() {
		if refused := forbidden(one); refused != nil && (said.Denied == "" || refused.Error() < said.Denied) {
			said.Denied = refused.Error()
		}
	}
	w.said.Store(&said)
}

// forbidden is the first refusal for want of rights in a failure; nil for none.
func forbidden(failed error) error {
	if several, ok := failed.(interface{ Unwrap() []error }); ok { //nolint:errorlint // the walk does the unwrapping
		for _, one := range several.Unwrap() {
			if found := forbidden(one); found != nil {
				return found
			}
		}
		return nil
	}
	var status apierrors.APIStatus
	if errors.As(failed, &status) && apierrors.IsForbidden(failed) {
		return failed
	}
	return nil
}
