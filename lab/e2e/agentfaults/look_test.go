//go:build e2e

package agentfaults

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// standing is a member as /members of an agent shows it.
type standing struct {
	Name        string         `json:"name"`
	State       string         `json:"state"`
	Code        string         `json:"code"`
	Description string         `json:"description"`
	Endpoints   int            `json:"endpoints"`
	Services    int            `json:"services"`
	Faults      []fault        `json:"faults"`
	Pending     []fault        `json:"pending"`
	Watched     map[string]int `json:"watched"`
}

type fault struct {
	Resource string `json:"resource"`
	Reason   string `json:"reason"`
	Message  string `json:"message"`
}

// fetch gets a page.
func fetch(ctx context.Context, url string) (string, error) {
	text, status, err := get(ctx, http.DefaultClient, url)
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("%d: %s", status, text)
	}
	return text, err
}

func get(ctx context.Context, client *http.Client, url string) (text string, status int, err error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return "", 0, err
	}
	answer, err := client.Do(request)
	if err != nil {
		return "", 0, err
	}
	defer answer.Body.Close()
	content, err := io.ReadAll(answer.Body)
	return string(content), answer.StatusCode, err
}

// standing is how the agent says that a member stands.
func (a *agent) standing(ctx context.Context, name string) (standing, error) {
	text, err := fetch(ctx, "http://"+a.admin+"/members")
	if err != nil {
		return standing{}, err
	}
	var all []standing
	if err := json.Unmarshal([]byte(text), &all); err != nil {
		return standing{}, err
	}
	for _, one := range all {
		if one.Name == name {
			return one, nil
		}
	}
	return standing{}, fmt.Errorf("no member %s", name)
}

// now is standing for those who cannot wait.
func (a *agent) now(t *testing.T, name string) standing {
	t.Helper()
	one, err := a.standing(t.Context(), name)
	must(t, err)
	return one
}

// awaitStanding waits until a member stands so, in the eyes of its agent.
func (a *agent) awaitStanding(t *testing.T, name, what string, is func(standing) bool) time.Duration {
	t.Helper()
	return await(t, name+" "+what, func(ctx context.Context) error {
		one, err := a.standing(ctx, name)
		if err == nil && !is(one) {
			err = fmt.Errorf("it is %+v", one)
		}
		return err
	})
}

// awaitState is awaitStanding for its state.
func (a *agent) awaitState(t *testing.T, name, state string) time.Duration {
	t.Helper()
	return a.awaitStanding(t, name, "is "+state, func(s standing) bool { return s.State == state })
}

// awaitFault waits until something keeps a member from being watched for a reason,
// with a text. The member is then as its object says, too.
func (a *agent) awaitFault(t *testing.T, name, state, reason, text string) {
	t.Helper()
	a.awaitStanding(t, name, "is "+state+" for "+reason, func(s standing) bool { return s.State == state && s.has(reason, text) })
	awaitShown(t, name, state, reason)
}

func (s standing) has(reason, text string) bool {
	for _, one := range s.Faults {
		if one.Reason == reason && strings.Contains(one.Message, text) {
			return true
		}
	}
	return false
}

// awaitShown waits until the object of a member says so to whoever reads it.
func awaitShown(t *testing.T, name, state, text string) {
	t.Helper()
	kind := schema.GroupVersionResource{Group: "eastwest.dev", Version: "v1alpha1", Resource: "memberclusters"}
	await(t, "the object of "+name+" says "+state, func(ctx context.Context) error {
		object, err := own.dynamic.Resource(kind).Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		shown, _, _ := unstructured.NestedString(object.Object, "status", "state")
		description, _, _ := unstructured.NestedString(object.Object, "status", "description")
		if shown != state || !strings.Contains(description, text) {
			return fmt.Errorf("it says %s: %s", shown, description)
		}
		return nil
	})
}

// metric is the sum of a metric's series whose labels hold all texts.
func (a *agent) metric(t *testing.T, name string, labels ...string) float64 {
	t.Helper()
	text, err := fetch(t.Context(), "http://"+a.health+"/metrics")
	must(t, err)
	sum := 0.0
	for line := range strings.Lines(text) {
		series, value, found := strings.Cut(strings.TrimSpace(line), " ")
		bare, rest, _ := strings.Cut(series, "{")
		if !found || bare != name {
			continue
		}
		has := true
		for _, one := range labels {
			has = has && strings.Contains(rest, one)
		}
		if number, err := strconv.ParseFloat(value, 64); has && err == nil {
			sum += number
		}
	}
	return sum
}
