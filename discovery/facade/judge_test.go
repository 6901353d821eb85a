package facade

import (
	"net/http"
	"net/url"
	"testing"
)

// TestJudge: what istiod lists is passed on, Secrets do not exist, and everything
// else is refused.
func TestJudge(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		method, path, query string
		want                answer
	}{
		"services":                              {path: "/api/v1/services", want: passOn},
		"a watch of slices":                     {path: "/apis/discovery.k8s.io/v1/endpointslices", query: "watch=true&resourceVersion=5", want: passOn},
		"pods of a namespace":                   {path: "/api/v1/namespaces/demo/pods", want: passOn},
		"one pod":                               {path: "/api/v1/namespaces/demo/pods/a", want: passOn},
		"namespaces":                            {path: "/api/v1/namespaces", want: passOn},
		"one namespace":                         {path: "/api/v1/namespaces/kube-system", want: passOn},
		"CRDs":                                  {path: "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", want: passOn},
		"workload entries":                      {path: "/apis/networking.istio.io/v1/workloadentries", want: passOn},
		"the version":                           {path: "/version", want: passOn},
		"which groups there are":                {path: "/apis", want: passOn},
		"which resources there are":             {path: "/apis/apps/v1", want: passOn},
		"istiod's ConfigMap by selector":        {path: "/api/v1/namespaces/istio-system/configmaps", query: "fieldSelector=metadata.name%3Distio-asm", want: passOn},
		"istiod's ConfigMap by name":            {path: "/api/v1/namespaces/istio-system/configmaps/istio", want: passOn},
		"all Secrets":                           {path: "/api/v1/secrets", want: nothing},
		"a watch of Secrets":                    {path: "/api/v1/namespaces/istio-system/secrets", query: "watch=1", want: nothing},
		"one Secret":                            {path: "/api/v1/namespaces/istio-system/secrets/cacerts", want: forbidden},
		"all ConfigMaps":                        {path: "/api/v1/configmaps", want: forbidden},
		"another ConfigMap":                     {path: "/api/v1/namespaces/istio-system/configmaps/other", want: forbidden},
		"two ConfigMaps by one selector":        {path: "/api/v1/namespaces/istio-system/configmaps", query: "fieldSelector=metadata.name%3Distio-a%2Cmetadata.name%3Dx", want: forbidden},
		"ConfigMaps but one":                    {path: "/api/v1/namespaces/istio-system/configmaps", query: "fieldSelector=metadata.name!%3Distio", want: forbidden},
		"deployments":                           {path: "/apis/apps/v1/deployments", want: forbidden},
		"a log":                                 {path: "/api/v1/namespaces/demo/pods/a/log", want: forbidden},
		"a shell":                               {path: "/api/v1/namespaces/demo/pods/a/exec", want: forbidden},
		"a service's proxy":                     {path: "/api/v1/namespaces/demo/services/a/proxy", want: forbidden},
		"a way out of the path":                 {path: "/api/v1/services/../secrets", want: forbidden},
		"an empty part":                         {path: "/api/v1//secrets", want: forbidden},
		"the root":                              {path: "/", want: forbidden},
		"metrics":                               {path: "/metrics", want: forbidden},
		"writing":                               {method: http.MethodPost, path: "/api/v1/services", want: forbidden},
		"a change":                              {method: http.MethodPatch, path: "/api/v1/namespaces/demo/services/a", want: forbidden},
		"Secrets of another group by that name": {path: "/apis/x.example/v1/secrets", want: forbidden},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			method := tc.method
			if method == "" {
				method = http.MethodGet
			}
			query, err := url.ParseQuery(tc.query)
			if err != nil {
				t.Fatal(err)
			}
			if got := judge(method, tc.path, query); got.answer != tc.want {
				t.Errorf("%s %s: answer %d (%s), want %d", method, tc.path, got.answer, got.reason, tc.want)
			}
		})
	}
}
