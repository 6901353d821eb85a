package facade

import (
	"bufio"
	"encoding/json"
	"encoding/pem"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/eastwest-mesh/eastwest/discovery/model"
)

const token = "for-istiod"

// rig is a facade in front of one member, west.
func rig(t *testing.T, member http.Handler) (front *httptest.Server, asked chan *http.Request) {
	t.Helper()
	asked = make(chan *http.Request, 16)
	west := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- r
		member.ServeHTTP(w, r)
	}))
	t.Cleanup(west.Close)
	config := &rest.Config{
		Host: west.URL, BearerToken: "narrow",
		TLSClientConfig: rest.TLSClientConfig{CAData: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: west.Certificate().Raw})},
	}
	front = httptest.NewTLSServer(New(Options{
		Member: func(name model.MemberName) (*rest.Config, bool) { return config, name == "west" },
		Token:  func() string { return token }, Log: slog.New(slog.DiscardHandler),
	}))
	t.Cleanup(front.Close)
	return front, asked
}

func get(t *testing.T, front *httptest.Server, path, bearer string) *http.Response {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, front.URL+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+bearer)
	request.Header.Set("Impersonate-User", "system:admin")
	response, err := front.Client().Do(request)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { response.Body.Close() })
	return response
}

// TestCredentialsStayApart: what istiod shows ends here, and the member sees the
// agent's own.
func TestCredentialsStayApart(t *testing.T) {
	t.Parallel()
	front, asked := rig(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	if got := get(t, front, "/members/west/api/v1/services?watch=true", token).StatusCode; got != http.StatusOK {
		t.Fatalf("status %d", got)
	}
	seen := <-asked
	if seen.Header.Get("Authorization") != "Bearer narrow" || seen.Header.Get("Impersonate-User") != "" {
		t.Errorf("the member was shown %v", seen.Header)
	}
	if seen.URL.RequestURI() != "/api/v1/services?watch=true" {
		t.Errorf("the member was asked for %s", seen.URL.RequestURI())
	}
}

func TestWhoIsTurnedAway(t *testing.T) {
	t.Parallel()
	front, asked := rig(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	for name, tc := range map[string]struct {
		path, token string
		want        int
	}{
		"another token":       {"/members/west/api/v1/services", "other", http.StatusUnauthorized},
		"no token":            {"/members/west/api/v1/services", "", http.StatusUnauthorized},
		"a member unknown":    {"/members/north/api/v1/services", token, http.StatusServiceUnavailable},
		"no member":           {"/api/v1/services", token, http.StatusNotFound},
		"a Secret":            {"/members/west/api/v1/namespaces/istio-system/secrets/cacerts", token, http.StatusForbidden},
		"deployments":         {"/members/west/apis/apps/v1/deployments", token, http.StatusForbidden},
		"an encoded way out":  {"/members/west/api/v1/services/%2e%2e/secrets", token, http.StatusForbidden},
		"an encoded resource": {"/members/west/api/v1/namespaces/a%2Fsecrets/services", token, http.StatusForbidden},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			response := get(t, front, tc.path, tc.token)
			var status metav1.Status
			if err := json.NewDecoder(response.Body).Decode(&status); err != nil || response.StatusCode != tc.want || int(status.Code) != tc.want {
				t.Errorf("status %d, want %d: %+v %v", response.StatusCode, tc.want, status, err)
			}
		})
	}
	t.Cleanup(func() {
		if len(asked) > 0 {
			t.Errorf("the member was asked: %s", (<-asked).URL)
		}
	})
}

// TestAWatchIsPassedOnAtOnce: an event arrives while the watch goes on.
func TestAWatchIsPassedOnAtOnce(t *testing.T) {
	t.Parallel()
	end := make(chan struct{})
	front, _ := rig(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "one\n")
		_ = http.NewResponseController(w).Flush()
		<-end
	}))
	defer close(end)
	line, err := bufio.NewReader(get(t, front, "/members/west/api/v1/pods?watch=1", token).Body).ReadString('\n')
	if err != nil || line != "one\n" {
		t.Errorf("%q %v", line, err)
	}
}

// TestSecretsDoNotExist: client-go itself lists and watches them, in both ways,
// and finds none.
func TestSecretsDoNotExist(t *testing.T) {
	t.Parallel()
	front, asked := rig(t, http.NotFoundHandler())
	client, err := kubernetes.NewForConfig(&rest.Config{
		Host: front.URL + "/members/west", BearerToken: token,
		TLSClientConfig: rest.TLSClientConfig{CAData: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: front.Certificate().Raw})},
		ContentConfig:   rest.ContentConfig{ContentType: runtime.ContentTypeProtobuf, AcceptContentTypes: "application/vnd.kubernetes.protobuf,application/json"},
	})
	if err != nil {
		t.Fatal(err)
	}
	list, err := client.CoreV1().Secrets("").List(t.Context(), metav1.ListOptions{})
	if err != nil || len(list.Items) > 0 || list.ResourceVersion == "" {
		t.Errorf("%+v %v", list, err)
	}
	initial := true
	events, err := client.CoreV1().Secrets("").Watch(t.Context(), metav1.ListOptions{
		SendInitialEvents: &initial, AllowWatchBookmarks: true, ResourceVersionMatch: metav1.ResourceVersionMatchNotOlderThan,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer events.Stop()
	first := <-events.ResultChan()
	secret, ok := first.Object.(*corev1.Secret)
	if !ok || first.Type != watch.Bookmark || secret.Annotations[initialEventsEnd] != "true" {
		t.Errorf("first event %+v", first)
	}
	if len(asked) > 0 {
		t.Errorf("the member was asked: %s", (<-asked).URL)
	}
}

// TestNoRedirect: a member cannot send istiod elsewhere.
func TestNoRedirect(t *testing.T) {
	t.Parallel()
	front, _ := rig(t, http.RedirectHandler("https://169.254.169.254/", http.StatusFound))
	response := get(t, front, "/members/west/api/v1/pods", token)
	if response.StatusCode != http.StatusServiceUnavailable || strings.Contains(response.Header.Get("Location"), "169") {
		t.Errorf("status %d, location %q", response.StatusCode, response.Header.Get("Location"))
	}
}
