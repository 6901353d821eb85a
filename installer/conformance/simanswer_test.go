package conformance

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	mcs "sigs.k8s.io/mcs-api/pkg/apis/v1beta1"

	"github.com/eastwest-mesh/eastwest/internal/podexec"
)

var (
	lookupScript = regexp.MustCompile(`nslookup .*-type=(\S+) (\S+)\. `)
	callScript   = regexp.MustCompile(`-lt (\d+) .* nc .* (\S+)\. (\d+) `)
)

// exec answers as nslookup and nc in a pod of a cluster would.
func (s *set) exec(c *cluster) func(context.Context, podexec.Target, ...string) ([]byte, error) {
	return func(ctx context.Context, target podexec.Target, command ...string) ([]byte, error) {
		script := command[len(command)-1]
		if parts := lookupScript.FindStringSubmatch(script); parts != nil {
			return []byte(s.nslookup(ctx, c, target.Namespace, parts[1], parts[2])), nil
		}
		parts := callScript.FindStringSubmatch(script)
		if parts == nil {
			return nil, fmt.Errorf("nobody answers the script %q", script)
		}
		times, _ := strconv.Atoi(parts[1])
		port, _ := strconv.Atoi(parts[3])
		var b strings.Builder
		pods := s.behind(ctx, c, target.Namespace, parts[2], port)
		for i := range times {
			if len(pods) > 0 {
				fmt.Fprintf(&b, "Connection to %s succeeded!\npod ip %s\n", parts[2], pods[i%len(pods)])
			} else {
				fmt.Fprintf(&b, "nc: getaddrinfo for host %q: Name or service not known\n", parts[2])
			}
			fmt.Fprintln(&b, mark)
		}
		return []byte(b.String()), nil
	}
}

// nslookup prints what BIND's does.
func (s *set) nslookup(ctx context.Context, c *cluster, namespace, kind, name string) string {
	all := s.records(ctx, c, namespace, kind, name)
	if s.answers != nil {
		all = s.answers(kind, name, all)
	}
	out := "Server:\t\t10.96.0.10\nAddress:\t10.96.0.10#53\n\n"
	if len(all) == 0 {
		return out + "** server can't find " + name + ": NXDOMAIN\n"
	}
	for _, one := range all {
		if kind == "SRV" {
			out += fmt.Sprintf("%s\tservice = 0 100 %s.\n", name, one)
		} else {
			out += fmt.Sprintf("Name:\t%s\nAddress: %s\n", name, one)
		}
	}
	return out
}

// records are what a name has: addresses, or "PORT TARGET".
func (s *set) records(ctx context.Context, c *cluster, namespace, kind, name string) []string {
	if strings.HasSuffix(name, ".cluster.local") {
		service, err := c.kube.CoreV1().Services(namespace).Get(ctx, helloName, metav1.GetOptions{})
		if err != nil || kind != "A" {
			return nil
		}
		return service.Spec.ClusterIPs
	}
	one, err := readImport(ctx, c, namespace)
	if err != nil || kind == "AAAA" {
		return nil
	}
	base := fmt.Sprintf("%s.%s.svc.clusterset.local", helloName, namespace)
	if one.Spec.Type == mcs.ClusterSetIP {
		if kind == "SRV" {
			return []string{"42 " + base}
		}
		return one.Spec.IPs
	}
	var all []string
	for _, from := range s.clusters {
		pods, _ := from.kube.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{LabelSelector: "app=" + helloName})
		for _, pod := range pods.Items {
			host := pod.Name + "." + from.name + "." + base
			switch {
			case kind == "SRV":
				all = append(all, "42 "+host)
			case name == base || name == host:
				all = append(all, pod.Status.PodIPs[0].IP)
			}
		}
	}
	return all
}

func readImport(ctx context.Context, c *cluster, namespace string) (*mcs.ServiceImport, error) {
	object, err := c.dyn.Resource(imports).Namespace(namespace).Get(ctx, helloName, metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	one := &mcs.ServiceImport{}
	return one, runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, one)
}

// behind are the addresses of the pods that answer a port of a name, the first one of
// each cluster that has it.
func (s *set) behind(ctx context.Context, c *cluster, namespace, name string, port int) []string {
	local := strings.HasSuffix(name, ".cluster.local")
	var all []string
	if _, err := readImport(ctx, c, namespace); err == nil || local {
		taken := ""
		for _, from := range s.clusters {
			service, err := from.kube.CoreV1().Services(namespace).Get(ctx, helloName, metav1.GetOptions{})
			_, notExported := from.dyn.Resource(exports).Namespace(namespace).Get(ctx, helloName, metav1.GetOptions{})
			if err != nil || local && from != c || !local && notExported != nil {
				continue
			}
			i := slices.IndexFunc(service.Spec.Ports, func(p corev1.ServicePort) bool { return int(p.Port) == port && p.Protocol == corev1.ProtocolTCP })
			if i >= 0 && (taken == "" || taken == service.Spec.Ports[i].Name) {
				taken = service.Spec.Ports[i].Name
				all = append(all, s.firstPod(ctx, from, namespace))
			}
		}
	}
	if s.calls != nil && !local {
		all = s.calls(s, namespace, port, all)
	}
	return all
}

func (s *set) firstPod(ctx context.Context, from *cluster, namespace string) string {
	pods, err := from.kube.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{LabelSelector: "app=" + helloName})
	if err != nil || len(pods.Items) == 0 {
		return ""
	}
	return pods.Items[0].Status.PodIPs[0].IP
}
