package harness

import (
	"maps"
	"slices"
	"strings"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

const (
	revisionLabel = "istio.io/rev"
	enabledLabel  = "istio-injection"
	injectorName  = "sidecar-injector.istio.io"
)

// Injected says whether pods in a namespace with these labels get a sidecar,
// judged by the injectors' own selectors.
func Injected(configs []admissionv1.MutatingWebhookConfiguration, namespace map[string]string) bool {
	pod := labels.Set{"app": SleepName}
	for _, config := range configs {
		for _, hook := range config.Webhooks {
			if strings.HasSuffix(hook.Name, injectorName) &&
				matches(hook.NamespaceSelector, namespace) && matches(hook.ObjectSelector, pod) {
				return true
			}
		}
	}
	return false
}

func matches(selector *metav1.LabelSelector, set map[string]string) bool {
	if selector == nil {
		return true
	}
	parsed, err := metav1.LabelSelectorAsSelector(selector)
	return err == nil && parsed.Matches(labels.Set(set))
}

// InjectionLabels are those a new namespace needs for a revision or tag; ok is
// false where no injector would answer to any of them.
func InjectionLabels(configs []admissionv1.MutatingWebhookConfiguration, revision string) (map[string]string, bool) {
	choices := []map[string]string{{revisionLabel: revision}}
	if revision == "" || revision == "default" {
		choices = []map[string]string{{revisionLabel: "default"}, {enabledLabel: "enabled"}}
	}
	for _, choice := range choices {
		if Injected(configs, choice) {
			return choice, true
		}
	}
	return choices[0], false
}

// Revisions are those some injector answers to, tags included.
func Revisions(configs []admissionv1.MutatingWebhookConfiguration) []string {
	found := map[string]bool{}
	for _, config := range configs {
		for _, hook := range config.Webhooks {
			if !strings.HasSuffix(hook.Name, injectorName) || hook.NamespaceSelector == nil {
				continue
			}
			for _, e := range hook.NamespaceSelector.MatchExpressions {
				if e.Key == revisionLabel && e.Operator == metav1.LabelSelectorOpIn {
					for _, value := range e.Values {
						found[value] = true
					}
				}
			}
		}
	}
	return slices.Sorted(maps.Keys(found))
}
