package render

import (
	"errors"
	"slices"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/kubernetes/scheme"
	kjson "sigs.k8s.io/json"
	"sigs.k8s.io/yaml"

	"github.com/eastwest-mesh/eastwest/internal/golden"
	"github.com/eastwest-mesh/eastwest/manifests"
)

// setup is the file release.yaml of a case.
type setup struct {
	Chart     string `json:"chart"`
	Namespace string `json:"namespace"`
	Platform  string `json:"platform"`
	// File is one of the chart's own values files, laid below values.yaml.
	File string `json:"file"`
	// Only lists the kinds that the case is about; empty: all.
	Only []string `json:"only"`
}

// TestCorpus renders testdata/*.txtar: release.yaml and values.yaml in,
// want/objects.yaml out.
func TestCorpus(t *testing.T) {
	t.Parallel()
	golden.Corpus(t, "testdata/*.txtar", func(t *testing.T, in *golden.Case) map[string][]byte {
		release, wanted := caseOf(t, in)
		objects, err := Chart(release)
		if err != nil {
			t.Fatal(err)
		}
		var shown []*unstructured.Unstructured
		for _, object := range objects {
			decodeStrictly(t, object)
			if len(wanted.Only) == 0 || slices.Contains(wanted.Only, object.GetKind()) {
				shown = append(shown, object)
			}
		}
		text, err := YAML(shown)
		if err != nil {
			t.Fatal(err)
		}
		return map[string][]byte{"objects.yaml": text}
	})
}

func caseOf(t *testing.T, in *golden.Case) (Release, setup) {
	t.Helper()
	wanted := setup{Chart: "eastwest-gateway", Namespace: "istio-system"}
	values := Values{}
	for name, into := range map[string]any{"release.yaml": &wanted, "values.yaml": &values} {
		if text, ok := in.Input(name); ok {
			if err := yaml.UnmarshalStrict(text, into); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
	}
	layers := []Values{values}
	if wanted.File != "" {
		text, err := manifests.FS.ReadFile("charts/" + wanted.Chart + "/" + wanted.File)
		below := Values{}
		if err := errors.Join(err, yaml.UnmarshalStrict(text, &below)); err != nil {
			t.Fatal(err)
		}
		layers = []Values{below, values}
	}
	if wanted.Chart == "eastwest-gateway" {
		preset, err := Platform(wanted.Platform)
		if err != nil {
			t.Fatal(err)
		}
		layers = []Values{preset, values}
	}
	return Release{Chart: wanted.Chart, Namespace: wanted.Namespace, Layers: layers}, wanted
}

// decodeStrictly fails where an API server would: on fields that the kind does
// not have, and on values of the wrong type.
func decodeStrictly(t *testing.T, object *unstructured.Unstructured) {
	t.Helper()
	text, err := object.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	if into, custom := customKinds()[object.GetAPIVersion()+" "+object.GetKind()]; custom {
		unknown, err := kjson.UnmarshalStrict(text, into)
		if err != nil || len(unknown) > 0 {
			t.Errorf("%s %s: %v %v", object.GetKind(), object.GetName(), err, unknown)
		}
		return
	}
	codecs := serializer.NewCodecFactory(scheme.Scheme, serializer.EnableStrict)
	if _, _, err := codecs.UniversalDeserializer().Decode(text, nil, nil); err != nil {
		t.Errorf("%s %s: %v", object.GetKind(), object.GetName(), err)
	}
}

// metadata is what our objects may set of their metadata.
type metadata struct {
	Name      string            `json:"name"`
	Namespace string            `json:"namespace"`
	Labels    map[string]string `json:"labels"`
}

type typeMeta struct {
	APIVersion string   `json:"apiVersion"`
	Kind       string   `json:"kind"`
	Metadata   metadata `json:"metadata"`
}

// customKinds are the fields we use of kinds that Kubernetes' own scheme lacks,
// as their CRDs spell and type them.
func customKinds() map[string]any {
	type tls struct {
		Mode    string            `json:"mode"`
		Options map[string]string `json:"options"`
	}
	type istioGateway struct {
		typeMeta
		Spec struct {
			Selector map[string]string `json:"selector"`
			Servers  []struct {
				Port struct {
					Number   uint32 `json:"number"`
					Name     string `json:"name"`
					Protocol string `json:"protocol"`
				} `json:"port"`
				TLS   tls      `json:"tls"`
				Hosts []string `json:"hosts"`
			} `json:"servers"`
		} `json:"spec"`
	}
	type gateway struct {
		typeMeta
		Spec struct {
			GatewayClassName string `json:"gatewayClassName"`
			Listeners        []struct {
				Name     string `json:"name"`
				Port     int32  `json:"port"`
				Protocol string `json:"protocol"`
				TLS      tls    `json:"tls"`
			} `json:"listeners"`
		} `json:"spec"`
	}
	type serviceMonitor struct {
		typeMeta
		Spec struct {
			Selector struct {
				MatchLabels map[string]string `json:"matchLabels"`
			} `json:"selector"`
			Endpoints []struct {
				Port     string `json:"port"`
				Path     string `json:"path"`
				Interval string `json:"interval"`
			} `json:"endpoints"`
		} `json:"spec"`
	}
	type prometheusRule struct {
		typeMeta
		Spec struct {
			Groups []struct {
				Name  string `json:"name"`
				Rules []struct {
					Alert       string            `json:"alert"`
					Expr        string            `json:"expr"`
					For         string            `json:"for"`
					Labels      map[string]string `json:"labels"`
					Annotations map[string]string `json:"annotations"`
				} `json:"rules"`
			} `json:"groups"`
		} `json:"spec"`
	}
	return map[string]any{
		"monitoring.coreos.com/v1 ServiceMonitor": &serviceMonitor{},
		"monitoring.coreos.com/v1 PrometheusRule": &prometheusRule{},

		"networking.istio.io/v1 Gateway":       &istioGateway{},
		"gateway.networking.k8s.io/v1 Gateway": &gateway{},
	}
}
