package preflight

import (
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/eastwest-mesh/eastwest/installer/member"
)

func service(namespace, name string, ready int) member.Service {
	return member.Service{Namespace: namespace, Name: name, Type: "ClusterIP", Ports: []string{"80/TCP http"}, Ready: ready}
}

func TestMerges(t *testing.T) {
	t.Parallel()
	headless := service("shop", "db", 1)
	headless.Headless, headless.Type, headless.Ports = true, "NodePort", []string{"80/TCP http", "90/TCP more"}
	for name, tc := range map[string]struct {
		services map[string][]member.Service
		want     []Merge
	}{
		"in one member only": {map[string][]member.Service{"east": {service("shop", "web", 1)}, "west": {service("shop", "cart", 1)}}, nil},
		"in two of three, with their endpoints": {
			map[string][]member.Service{"east": {service("shop", "web", 2)}, "west": {service("shop", "web", 0)}, "south": {service("shop", "cart", 1)}},
			[]Merge{{Namespace: "shop", Name: "web", Endpoints: map[string]int{"east": 2, "west": 0}}},
		},
		"one name in two namespaces is no merge": {
			map[string][]member.Service{"east": {service("shop", "web", 1)}, "west": {service("store", "web", 1)}}, nil,
		},
		"differences are named, whoever has them": {
			map[string][]member.Service{"east": {service("shop", "db", 1)}, "west": {headless}, "south": {service("shop", "db", 1)}},
			[]Merge{{
				Namespace: "shop", Name: "db", Endpoints: map[string]int{"east": 1, "west": 1, "south": 1},
				Differences: []string{
					"type: ClusterIP in east, south; NodePort in west",
					"headless: false in east, south; true in west",
					"ports: 80/TCP http in east, south; 80/TCP http 90/TCP more in west",
				},
			}},
		},
		"what istiod keeps local by itself": {
			map[string][]member.Service{
				"east": {service("kube-system", "kube-dns", 1), service("default", "kubernetes", 1), service("istio-system", "istiod", 1), service("istio-system", "istiod-canary", 1)},
				"west": {service("kube-system", "kube-dns", 1), service("default", "kubernetes", 1), service("istio-system", "istiod", 1), service("istio-system", "istiod-canary", 1)},
			}, nil,
		},
		"system namespaces come last": {
			map[string][]member.Service{
				"east": {service("istio-system", "istio-eastwestgateway", 1), service("zoo", "web", 1), service("kube-public", "x", 1), service("eastwest-verify-1", "helloworld", 1)},
				"west": {service("istio-system", "istio-eastwestgateway", 1), service("zoo", "web", 1), service("kube-public", "x", 1), service("eastwest-verify-1", "helloworld", 1)},
			},
			[]Merge{
				{Namespace: "zoo", Name: "web", Endpoints: map[string]int{"east": 1, "west": 1}},
				{Namespace: "eastwest-verify-1", Name: "helloworld", Endpoints: map[string]int{"east": 1, "west": 1}, System: true},
				{Namespace: "istio-system", Name: "istio-eastwestgateway", Endpoints: map[string]int{"east": 1, "west": 1}, System: true},
				{Namespace: "kube-public", Name: "x", Endpoints: map[string]int{"east": 1, "west": 1}, System: true},
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for range 5 {
				for _, list := range tc.services {
					rand.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
				}
				if diff := cmp.Diff(tc.want, Merges(tc.services, "istio-system")); diff != "" {
					t.Fatalf("(-want +got)\n%s", diff)
				}
			}
		})
	}
}

func TestUnaccepted(t *testing.T) {
	t.Parallel()
	merges := []Merge{{Namespace: "shop", Name: "web"}, {Namespace: "shop", Name: "db"}, {Namespace: "bank", Name: "web"}, {Namespace: "istio-system", Name: "x", System: true}}
	for name, tc := range map[string]struct {
		local []string
		want  []string
	}{
		"all but the system's":    {nil, []string{"shop/web", "shop/db", "bank/web"}},
		"but for one":             {[]string{"shop/web"}, []string{"shop/db", "bank/web"}},
		"but for a namespace":     {[]string{"shop/*"}, []string{"bank/web"}},
		"none is left":            {[]string{"shop/*", "bank/web"}, nil},
		"a name nobody has":       {[]string{"shop/we", "*/web"}, []string{"shop/web", "shop/db", "bank/web"}},
		"the system's is no help": {[]string{"istio-system/*"}, []string{"shop/web", "shop/db", "bank/web"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got []string
			for _, merge := range Unaccepted(merges, tc.local) {
				got = append(got, merge.Host())
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}
