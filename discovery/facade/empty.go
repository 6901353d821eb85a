package facade

import (
	"encoding/json"
	"net/http"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// refuse answers in the form of an API server, so that clients show why.
func refuse(w http.ResponseWriter, code int, reason, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(metav1.Status{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}, Status: metav1.StatusFailure,
		Message: "eastwest-agent: " + message, Reason: metav1.StatusReason(reason), Code: int32(code),
	})
}

// silence is how long a watch that never sees anything stays open: API servers
// close theirs after half an hour to an hour, too.
const silence = 30 * time.Minute

// initialEventsEnd marks the bookmark after which a client that asked for the
// initial state has all of it (KEP-3157).
const initialEventsEnd = "k8s.io/initial-events-end"

// nothing answers for Secrets: there are none. JSON is taken by clients that would
// rather have protobuf.
func (f *Facade) nothing(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	query := r.URL.Query()
	if watch := query.Get("watch"); watch != "true" && watch != "1" {
		list := corev1.SecretList{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "SecretList"}, Items: []corev1.Secret{}}
		list.ResourceVersion = "1"
		_ = json.NewEncoder(w).Encode(list)
		return
	}
	w.WriteHeader(http.StatusOK)
	flush := http.NewResponseController(w)
	if query.Get("sendInitialEvents") == "true" {
		bookmark := corev1.Secret{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"}}
		bookmark.ResourceVersion = "1"
		bookmark.Annotations = map[string]string{initialEventsEnd: "true"}
		_ = json.NewEncoder(w).Encode(struct {
			Type   string        `json:"type"`
			Object corev1.Secret `json:"object"`
		}{"BOOKMARK", bookmark})
	}
	if err := flush.Flush(); err != nil {
		return
	}
	timer := time.NewTimer(silence)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-r.Context().Done():
	}
}
