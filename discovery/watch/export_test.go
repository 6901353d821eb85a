package watch

import (
	"net/http"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/google/go-cmp/cmp"

	"github.com/eastwest-mesh/eastwest/api/v1alpha1"
	"github.com/eastwest-mesh/eastwest/discovery/model"
	"github.com/eastwest-mesh/eastwest/internal/fakeapi"
)

// serving makes the API of GKE one that is served.
func serving(api *fakeapi.Server, _ *Options) {
	api.Objects[fakeapi.GKEPath] = map[string]metav1.Object{}
}

func TestAnExportInEitherDialectIsTheSameFact(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, serving)
		r.Put(kubeService("shop", "cart"), kubeSlice("shop", "cart-1", "cart", 2), gkeExport("shop", "cart"))
		r.want(t, "ready shop/cart=2")
		if got := r.last().Services.Get(cart); got.By != model.GKE || got.Exported.Unix() != 1500 {
			t.Errorf("exported by %d at %s", got.By, got.Exported)
		}
		labelled := kubeExport("shop", "cart")
		labelled.Spec.ExportedLabels = map[string]string{"team": "shop"}
		r.Put(labelled)
		r.want(t, "ready shop/cart=2")
		if got := r.last().Services.Get(cart); got.By != model.GKE|model.Upstream || got.Exported.Unix() != 1500 || got.Traits.Labels["team"] != "shop" {
			t.Errorf("in both dialects it is %+v", got)
		}
		r.Delete(labelled)
		r.want(t, "ready shop/cart=2")
		r.Delete(gkeExport("shop", "cart"))
		r.want(t, "ready")
	})
}

func TestADialectThatMayNotBeReadIsNone(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, func(api *fakeapi.Server, _ *Options) {
			shop(api, 3)
			api.Intercept = func(w http.ResponseWriter, r *http.Request) bool {
				if r.URL.Path != fakeapi.GKEPath {
					return false
				}
				http.Error(w, "no", http.StatusForbidden)
				return true
			}
		})
		r.want(t, "ready shop/cart=3")
	})
}

func TestADialectThatVanishesTakesOnlyItsOwnExportsAlong(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, func(api *fakeapi.Server, o *Options) {
			shop(api, 3)
			serving(api, o)
		})
		r.Put(kubeService("shop", "pay"), gkeExport("shop", "pay"))
		r.want(t, "ready shop/cart=3 shop/pay=0")
		r.Do(func() { delete(r.Objects, fakeapi.GKEPath) })
		r.Say(fakeapi.GKEPath, []byte{})
		after(time.Second)
		r.hasFault(t, Missing, "serviceexports.net.gke.io", "")
		r.want(t, "degraded shop/cart=3 shop/pay=0")
		after(31 * time.Second)
		r.want(t, "ready shop/cart=3")
	})
}

func TestPackExports(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", maxMetadata)
	for name, tc := range map[string]struct {
		change  func(*serviceExport)
		want    export
		reasons []string
	}{
		"nothing more": {func(*serviceExport) {}, export{}, nil},
		"labels and annotations": {
			func(e *serviceExport) {
				e.Spec.ExportedLabels = map[string]string{"app.kubernetes.io/name": "cart"}
				e.Spec.ExportedAnnotations = map[string]string{"example.com/note": "any\ntext"}
			},
			export{labels: map[string]string{"app.kubernetes.io/name": "cart"}, annotations: map[string]string{"example.com/note": "any\ntext"}},
			nil,
		},
		"keys and values that no object may have": {
			func(e *serviceExport) {
				e.Spec.ExportedLabels = map[string]string{"a b": "x", "fine": "not fine", "good": "x"}
				e.Spec.ExportedAnnotations = map[string]string{"/": ""}
			},
			export{labels: map[string]string{"good": "x"}},
			[]string{DropMetadata, DropMetadata, DropMetadata},
		},
		"keys by which controllers know their objects": {
			func(e *serviceExport) {
				e.Spec.ExportedLabels = map[string]string{"eastwest.dev/derived": "true", "multicluster.kubernetes.io/source-cluster": "x"}
				e.Spec.ExportedAnnotations = map[string]string{"net.gke.io/derived-service": "x", "a.eastwest.dev/b": ""}
			},
			export{},
			[]string{DropMetadata, DropMetadata, DropMetadata, DropMetadata},
		},
		"too much of it": {
			func(e *serviceExport) { e.Spec.ExportedAnnotations = map[string]string{"a": long} },
			export{},
			[]string{DropMetadata},
		},
		"an incumbent": {func(e *serviceExport) { e.Annotations = map[string]string{"eastwest.dev/incumbent": "west"} }, export{incumbent: "west"}, nil},
		"who comes first": {
			func(e *serviceExport) { e.Annotations = map[string]string{"eastwest.dev/prefer": "nearest"} }, export{prefer: "own,region"}, nil,
		},
		"who comes first by no rule of ours": {
			func(e *serviceExport) { e.Annotations = map[string]string{"eastwest.dev/prefer": "cheapest"} },
			export{flaw: `annotation eastwest.dev/prefer is not used: "cheapest" is none of none, nearest, or a list of own, region, region=NAME and member=NAME`},
			nil,
		},
		"a weight":      {func(e *serviceExport) { e.Annotations = map[string]string{"eastwest.dev/weight": "4294967295"} }, export{share: model.Share{Weight: 4294967295}}, nil},
		"a weight of 0": {func(e *serviceExport) { e.Annotations = map[string]string{"eastwest.dev/weight": "0"} }, export{share: model.Share{Drained: true}}, nil},
		"a weight that is too large": {
			func(e *serviceExport) { e.Annotations = map[string]string{"eastwest.dev/weight": "4294967296"} },
			export{flaw: `annotation eastwest.dev/weight is not used: "4294967296" is no number from 0 to 4294967295`},
			nil,
		},
		"a negative weight": {
			func(e *serviceExport) { e.Annotations = map[string]string{"eastwest.dev/weight": "-1"} },
			export{flaw: `annotation eastwest.dev/weight is not used: "-1" is no number from 0 to 4294967295`},
			nil,
		},
		"an incumbent that no member can be": {
			func(e *serviceExport) { e.Annotations = map[string]string{"eastwest.dev/incumbent": "../West"} },
			export{},
			[]string{DropMetadata},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			from := kubeExport("shop", "cart")
			tc.change(from)
			tc.want.in, tc.want.created = model.Upstream, time.Unix(2000, 0).UTC()
			got := packExport(from, model.Upstream)
			if diff := cmp.Diff(&tc.want, got.export, cmp.AllowUnexported(export{})); diff != "" {
				t.Errorf("packed (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tc.reasons, reasons(got)); diff != "" {
				t.Errorf("dropped (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTraits(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		spec corev1.ServiceSpec
		want model.Traits
	}{
		"of an old API": {corev1.ServiceSpec{}, model.Traits{}},
		"as the API fills them in": {
			corev1.ServiceSpec{
				SessionAffinity: corev1.ServiceAffinityNone, InternalTrafficPolicy: pointer(corev1.ServiceInternalTrafficPolicyCluster),
				IPFamilies: []corev1.IPFamily{corev1.IPv6Protocol, corev1.IPv4Protocol},
			},
			model.Traits{Families: []model.Family{model.IPv6, model.IPv4}},
		},
		"all of them": {
			corev1.ServiceSpec{
				SessionAffinity:       corev1.ServiceAffinityClientIP,
				SessionAffinityConfig: &corev1.SessionAffinityConfig{ClientIP: &corev1.ClientIPConfig{TimeoutSeconds: pointer(int32(10))}},
				InternalTrafficPolicy: pointer(corev1.ServiceInternalTrafficPolicyLocal), TrafficDistribution: pointer("PreferClose"),
			},
			model.Traits{ClientIP: true, AffinitySeconds: 10, InternalTrafficPolicy: "Local", TrafficDistribution: "PreferClose"},
		},
		"affinity without its time": {
			corev1.ServiceSpec{SessionAffinity: corev1.ServiceAffinityClientIP}, model.Traits{ClientIP: true, AffinitySeconds: 10800},
		},
		"values that no API takes": {
			corev1.ServiceSpec{
				SessionAffinity: "Cookie", InternalTrafficPolicy: pointer(corev1.ServiceInternalTrafficPolicy("Never")),
				TrafficDistribution: pointer("Random"), IPFamilies: []corev1.IPFamily{"IPv5", "IPv4", "IPv4", "IPv6", "IPv6"},
			},
			model.Traits{Families: []model.Family{model.IPv4, model.IPv6}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tc.want, traits(&tc.spec)); diff != "" {
				t.Errorf("traits (-want +got):\n%s", diff)
			}
		})
	}
}

func TestANameAloneCannotBeExported(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, nil)
		alias := kubeService("shop", "cart")
		alias.Spec = corev1.ServiceSpec{Type: corev1.ServiceTypeExternalName, ExternalName: "example.com"}
		r.Put(alias, kubeExport("shop", "cart"))
		r.want(t, "ready")
		r.hasProblem(t, ProblemServiceType)
		r.Put(kubeService("shop", "cart"))
		r.want(t, "ready shop/cart=0")
	})
}

// TestWhoComesFirst: an export's own word goes before the rule of the agent's
// configuration, and the rule that names the service before that of its namespace.
func TestWhoComesFirst(t *testing.T) {
	t.Parallel()
	all := v1alpha1.ExportRule{Namespace: "shop", Name: "*", Prefer: "own"}
	named := v1alpha1.ExportRule{Namespace: "shop", Name: "cart", Prefer: "region"}
	for name, tc := range map[string]struct {
		said  string
		rules []v1alpha1.ExportRule
		want  model.Preference
	}{
		"nobody says":             {"", nil, ""},
		"the export does":         {"none", []v1alpha1.ExportRule{all, named}, "none"},
		"a rule of the namespace": {"", []v1alpha1.ExportRule{all}, "own"},
		"a rule of the service":   {"", []v1alpha1.ExportRule{named, all}, "region"},
		"the export in vain":      {"cheapest", []v1alpha1.ExportRule{all}, "own"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := newRig(t, func(api *fakeapi.Server, o *Options) {
					shop(api, 1)
					o.Exports = tc.rules
					export := kubeExport("shop", "cart")
					export.Annotations = map[string]string{v1alpha1.AnnotationPrefer: tc.said}
					api.Put(export)
				})
				after(time.Second)
				offer := r.last().Services.Get(model.ServiceKey{Namespace: "shop", Name: "cart"})
				if offer == nil || offer.Traits.Prefer != tc.want {
					t.Errorf("offer %+v", offer)
				}
				if tc.said == "cheapest" {
					r.hasProblem(t, ProblemExport)
				}
			})
		})
	}
}
