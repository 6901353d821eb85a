package installer

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	dynamicfake "k8s.io/client-go/dynamic/fake"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/eastwest-mesh/eastwest/api/v1alpha1"
	"github.com/eastwest-mesh/eastwest/installer/clusterdns"
	"github.com/eastwest-mesh/eastwest/installer/config"
	"github.com/eastwest-mesh/eastwest/installer/member"
	"github.com/eastwest-mesh/eastwest/internal/dnslookup"
)

const corefile = ".:53 {\n    kubernetes cluster.local\n    reload\n}\n"

func inKubeSystem(name string, data map[string]string) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "kube-system", Name: name, UID: "x"}, Data: data}
}

// TestWhatIsWrittenIntoAClustersDNS: all of it, or nothing and the steps.
func TestWhatIsWrittenIntoAClustersDNS(t *testing.T) {
	t.Parallel()
	target := clusterdns.Target{Zone: clusterZone, Servers: []string{"10.96.0.53"}}
	coredns := inKubeSystem("coredns", map[string]string{"Corefile": corefile})
	ofHelm := coredns.DeepCopy()
	ofHelm.Annotations = map[string]string{"meta.helm.sh/release-name": "dns"}
	cached := inKubeSystem("node-local-dns", map[string]string{"Corefile": "clusterset.local:53 {\n}\n" + corefile})
	custom := inKubeSystem("coredns", map[string]string{"Corefile": clusterdnsPointed(t, coredns, target) + "import custom/*.server\n"})
	for name, tc := range map[string]struct {
		mode  string
		maps  []*corev1.ConfigMap
		state string
		edits []string
		steps int
		dry   bool
	}{
		"CoreDNS":                               {config.DNSAuto, []*corev1.ConfigMap{coredns}, dnsPointed, []string{"coredns"}, 0, false},
		"CoreDNS, planned":                      {config.DNSAuto, []*corev1.ConfigMap{coredns}, dnsPlanned, []string{"coredns"}, 0, true},
		"CoreDNS, by hand":                      {config.DNSManual, []*corev1.ConfigMap{coredns}, dnsByHand, nil, 1, false},
		"CoreDNS of Helm":                       {config.DNSAuto, []*corev1.ConfigMap{ofHelm}, dnsByHand, nil, 2, false},
		"a conflict in the cache of nodes":      {config.DNSAuto, []*corev1.ConfigMap{coredns, cached}, dnsConflict, nil, 0, false},
		"nothing that is known":                 {config.DNSAuto, nil, dnsByHand, nil, 2, false},
		"it imports by now what it has already": {config.DNSAuto, []*corev1.ConfigMap{custom}, dnsPointed, []string{"coredns", "coredns-custom"}, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := &Installer{mesh: v1alpha1.Mesh{Spec: v1alpha1.MeshSpec{DNS: tc.mode}}, options: Options{DryRun: tc.dry}}
			facts := clusterdns.Facts{ConfigMaps: map[string]*corev1.ConfigMap{}}
			for _, one := range tc.maps {
				facts.ConfigMaps[one.Name] = one
			}
			report, edits, err := in.judgeDNS(facts, target)
			if err != nil {
				t.Fatal(err)
			}
			var names []string
			for _, edit := range edits {
				names = append(names, edit.After.GetName())
			}
			if diff := cmp.Diff(tc.edits, names); diff != "" || report.State != tc.state || len(report.Steps) != tc.steps {
				t.Errorf("state %s, steps %q; edits (-want +got)\n%s", report.State, report.Steps, diff)
			}
			if tc.state == dnsConflict && report.Fix == "" || tc.state == dnsByHand && !strings.Contains(strings.Join(report.Steps, "\n"), "10.96.0.53") {
				t.Errorf("it says too little: %+v", report)
			}
		})
	}
}

// clusterdnsPointed is the Corefile of a ConfigMap after up.
func clusterdnsPointed(t *testing.T, have *corev1.ConfigMap, target clusterdns.Target) string {
	t.Helper()
	hooks, err := clusterdns.Hooks(clusterdns.Facts{ConfigMaps: map[string]*corev1.ConfigMap{have.Name: have}})
	if err != nil {
		t.Fatal(err)
	}
	change, err := hooks[0].Point(target)
	if err != nil {
		t.Fatal(err)
	}
	return change.ConfigMap.Data["Corefile"]
}

// TestWhereTheWayToAnAnswerBreaks names the first broken hop, and only where it was we
// who said that there is a way.
func TestWhereTheWayToAnAnswerBreaks(t *testing.T) {
	t.Parallel()
	ours := dnslookup.Reply{Server: "a:53", Code: "NOERROR", Answer: dnslookup.Version}
	silent := dnslookup.Reply{Server: "a:53", Error: "i/o timeout"}
	says := func(code string) dnslookup.Reply { return dnslookup.Reply{Server: "a:53", Code: code} }
	for name, tc := range map[string]struct {
		state           string
		resolver, agent dnslookup.Reply
		other           string
		hop, fix        string
	}{
		"it is answered":                      {dnsPointed, ours, ours, "NXDOMAIN", "", ""},
		"it is answered, to others than us":   {dnsPointed, ours, silent, "NXDOMAIN", "", ""},
		"the agent is silent":                 {dnsPointed, says("SERVFAIL"), silent, "NXDOMAIN", hopAgent, "get pods -l app=eastwest-agent"},
		"the agent does not know":             {dnsPointed, says("SERVFAIL"), says("SERVFAIL"), "NXDOMAIN", hopAgent, "get pods -l app=eastwest-agent"},
		"the cluster's DNS is silent":         {dnsPointed, silent, ours, "NXDOMAIN", hopResolver, "k8s-app=kube-dns"},
		"the cluster's DNS has not loaded it": {dnsPointed, says("NXDOMAIN"), ours, "NXDOMAIN", hopLoaded, "rollout restart"},
		"it is as any zone it does not know":  {dnsPointed, says("SERVFAIL"), ours, "SERVFAIL", hopLoaded, "rollout restart"},
		"the cluster's DNS gets no answer":    {dnsPointed, says("SERVFAIL"), ours, "NXDOMAIN", hopForward, "NetworkPolicies"},
		"somebody else answers":               {dnsPointed, dnslookup.Reply{Code: "NOERROR", Answer: "1.1.0"}, ours, "NXDOMAIN", hopLoaded, "--dns off"},
		"somebody else answers, as is known":  {dnsConflict, dnslookup.Reply{Code: "NOERROR", Answer: "1.1.0"}, ours, "NXDOMAIN", "", ""},
		"nobody has followed the steps":       {dnsByHand, says("NXDOMAIN"), ours, "NXDOMAIN", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			row := DNSReport{State: tc.state}
			row.judge(dnslookup.Outcome{Resolver: tc.resolver, Agent: tc.agent, Other: dnslookup.Reply{Code: tc.other}})
			if row.Hop != tc.hop || row.Answer != tc.resolver.Answer || tc.hop != "" && row.Detail == "" || tc.fix == "" && row.Fix != "" || !strings.Contains(row.Fix, tc.fix) {
				t.Errorf("got %+v, want hop %q and a fix with %q", row, tc.hop, tc.fix)
			}
		})
	}
}

// dnsMember is a member with these objects.
func dnsMember(objects ...runtime.Object) *site {
	lists := map[schema.GroupVersionResource]string{operatorDNS: "DNSList"}
	return &site{spec: v1alpha1.Cluster{Name: "a"}, facts: &member.Facts{}, member: &member.Member{
		Kube: fake.NewClientset(objects...), Dynamic: dynamicfake.NewSimpleDynamicClientWithCustomListKinds(runtime.NewScheme(), lists),
	}}
}

// TestWhatStatusSaysOfDNS compares what is entered with where the agent answers now.
func TestWhatStatusSaysOfDNS(t *testing.T) {
	t.Parallel()
	agent := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: agentNamespace, Name: "any", Labels: map[string]string{"app.kubernetes.io/part-of": "eastwest"}},
		Spec:       corev1.ServiceSpec{ClusterIPs: []string{"10.96.0.53"}, Ports: []corev1.ServicePort{{Port: 53, Protocol: corev1.ProtocolUDP}}},
	}
	coredns := inKubeSystem("coredns", map[string]string{"Corefile": corefile})
	at := func(address string) *corev1.ConfigMap {
		text := clusterdnsPointed(t, coredns, clusterdns.Target{Zone: clusterZone, Servers: []string{address}})
		return inKubeSystem("coredns", map[string]string{"Corefile": text})
	}
	gke := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: "kube-system", Name: "kube-dns"}}
	running := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: "kube-system", Name: "coredns"}}
	cloudDNS, none := gke.DeepCopy(), int32(0)
	cloudDNS.Spec.Replicas = &none
	stub := inKubeSystem("kube-dns", map[string]string{"stubDomains": `{"clusterset.local":["10.96.0.53"]}`})
	unused := inKubeSystem("kube-dns", map[string]string{"stubDomains": `{"clusterset.local":["10.0.0.1"]}`})
	for name, tc := range map[string]struct {
		objects []runtime.Object
		want    string
	}{
		"no agent":                                 {[]runtime.Object{coredns}, dnsNone},
		"an agent, and nobody asks it":             {[]runtime.Object{coredns, agent}, dnsByHand},
		"pointed":                                  {[]runtime.Object{at("10.96.0.53"), agent}, dnsPointed},
		"pointed where it was before":              {[]runtime.Object{at("10.96.0.99"), agent}, dnsElsewhere},
		"left behind":                              {[]runtime.Object{at("10.96.0.53")}, dnsElsewhere},
		"somebody else answers":                    {[]runtime.Object{inKubeSystem("coredns", map[string]string{"Corefile": corefile + "clusterset.local:53 {\n}\n"}), agent}, dnsConflict},
		"kube-dns":                                 {[]runtime.Object{gke, stub, agent}, dnsPointed},
		"kube-dns that Cloud DNS has pushed":       {[]runtime.Object{cloudDNS, stub, agent}, dnsByHand},
		"kube-dns beside CoreDNS, which answers":   {[]runtime.Object{gke, running, unused, at("10.96.0.53"), agent}, dnsPointed},
		"kube-dns beside a copy of CoreDNS's file": {[]runtime.Object{gke, stub, coredns, agent}, dnsPointed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if state, detail, _ := dnsMember(tc.objects...).dnsStatus(t.Context()); state != tc.want {
				t.Errorf("got %s (%s), want %s", state, detail, tc.want)
			}
		})
	}
}

// TestDoctorNamesADNSThatLeadsElsewhere, and nothing that is in order.
func TestDoctorNamesADNSThatLeadsElsewhere(t *testing.T) {
	t.Parallel()
	coredns := inKubeSystem("coredns", map[string]string{"Corefile": corefile})
	text := clusterdnsPointed(t, coredns, clusterdns.Target{Zone: clusterZone, Servers: []string{"10.96.0.53"}})
	for name, tc := range map[string]struct {
		have *corev1.ConfigMap
		want int
	}{
		"nothing of ours": {coredns, 0},
		"left behind":     {inKubeSystem("coredns", map[string]string{"Corefile": text}), 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := &Installer{sites: []*site{dnsMember(tc.have)}}
			found := in.doctorDNS(context.WithoutCancel(t.Context()))
			if len(found) != tc.want || tc.want > 0 && (found[0].Fix == "" || found[0].Members[0] != "a") {
				t.Errorf("got %+v", found)
			}
		})
	}
}
