// Package harness owns the objects of a verification in one cluster: the
// namespace, sleep and helloworld as the guide has them, and their removal. It
// knows nothing of other clusters, of traffic, or of verdicts.
//
// No DestinationRule, PeerAuthentication or the like is ever made here: it
// would hide a mesh-wide one, which is a fault to be found.
package harness

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// Labels by which everything of a run is found again.
const (
	RunLabel    = "eastwest.dev/verify-run"
	KeepLabel   = "eastwest.dev/verify-keep"
	MemberLabel = "eastwest.dev/verify-member"
)

// Names and the port of the guide's test workloads.
const (
	SleepName = "sleep"
	HelloName = "helloworld"
	Port      = 5000
)

const (
	nobody    = 65532 // a user that needs no entry in any image
	maxName   = 63
	digestLen = 8
)

// Plan is what a run puts into one cluster.
type Plan struct {
	Run, Namespace string
	// Member is the cluster's own name, Members all of them: each gets a
	// Service everywhere and pods in its own cluster only.
	Member  string
	Members []string
	// Version is what this cluster's helloworld says it is.
	Version    string
	HelloImage string
	SleepImage string
	// DirectPorts are TCP ports which the sleep pod dials past its sidecar, so
	// that a probe sees the network and not its own proxy.
	DirectPorts []int
	// Plain is a cluster without a mesh: pods get no sidecar.
	Plain bool
	// Exported says that other members know of a Service only where it is exported.
	Exported bool
	Keep     bool
}

// LinkName is the Service that has pods in one member only.
func LinkName(member string) string {
	name := "link-" + member
	if len(name) <= maxName {
		return name
	}
	sum := sha256.Sum256([]byte(member))
	return strings.TrimRight(name[:maxName-digestLen-1], "-") + "-" + hex.EncodeToString(sum[:])[:digestLen]
}

func (p Plan) labels(more ...string) map[string]string {
	labels := map[string]string{RunLabel: p.Run, "app.kubernetes.io/managed-by": "eastwest"}
	if p.Keep {
		labels[KeepLabel] = "true"
	}
	for i := 0; i+1 < len(more); i += 2 {
		labels[more[i]] = more[i+1]
	}
	return labels
}

func (p Plan) meta(name string, more ...string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Name: name, Namespace: p.Namespace, Labels: p.labels(more...)}
}

// Services are the shared helloworld and one link Service per member; without a
// mesh only the own one, which others know as an import.
func (p Plan) Services() []*corev1.Service {
	all := []*corev1.Service{p.service(HelloName, map[string]string{"app": HelloName, RunLabel: p.Run})}
	members := p.Members
	if p.Plain {
		members = []string{p.Member}
	}
	for _, member := range members {
		all = append(all, p.service(LinkName(member), map[string]string{MemberLabel: member, RunLabel: p.Run}))
	}
	return all
}

// service declares its port as TCP: each request is then one connection from
// end to end, and no reuse between proxies hides a broken one.
func (p Plan) service(name string, selector map[string]string) *corev1.Service {
	tcp := "tcp"
	return &corev1.Service{
		ObjectMeta: p.meta(name, "app", HelloName, "service", name),
		Spec: corev1.ServiceSpec{
			Selector: selector,
			Ports: []corev1.ServicePort{{
				Name: "tcp", AppProtocol: &tcp, Protocol: corev1.ProtocolTCP, Port: Port, TargetPort: intstr.FromInt32(Port),
			}},
		},
	}
}

// Account is the service account of both workloads; the default one may not yet
// exist in a new namespace.
func (p Plan) Account() *corev1.ServiceAccount {
	return &corev1.ServiceAccount{ObjectMeta: p.meta(SleepName)}
}

// Deployments are sleep and this cluster's version of helloworld.
func (p Plan) Deployments() []*appsv1.Deployment {
	return []*appsv1.Deployment{p.sleep(), p.hello()}
}

func (p Plan) hello() *appsv1.Deployment {
	d := p.deployment(HelloName+"-"+p.Version, "app", HelloName, "version", p.Version, MemberLabel, p.Member)
	d.Spec.Template.Spec.Containers = []corev1.Container{p.container(HelloName, p.HelloImage)}
	c := &d.Spec.Template.Spec.Containers[0]
	// The published images bake the version in and honour this over it.
	c.Env = []corev1.EnvVar{{Name: "SERVICE_VERSION", Value: p.Version}}
	c.Ports = []corev1.ContainerPort{{ContainerPort: Port}}
	return d
}

func (p Plan) sleep() *appsv1.Deployment {
	d := p.deployment(SleepName, "app", SleepName)
	d.Spec.Template.Spec.Containers = []corev1.Container{p.container(SleepName, p.SleepImage)}
	d.Spec.Template.Spec.Containers[0].Command = []string{"/bin/sleep", "infinity"}
	ports := slices.Clone(p.DirectPorts)
	slices.Sort(ports)
	if text := strings.Trim(fmt.Sprint(slices.Compact(ports)), "[]"); text != "" && !p.Plain {
		d.Spec.Template.Annotations["traffic.sidecar.istio.io/excludeOutboundPorts"] = strings.ReplaceAll(text, " ", ",")
	}
	return d
}

func (p Plan) deployment(name string, labels ...string) *appsv1.Deployment {
	one, grace, no := int32(1), int64(1), false
	return &appsv1.Deployment{
		ObjectMeta: p.meta(name, labels...),
		Spec: appsv1.DeploymentSpec{
			Replicas: &one,
			Selector: &metav1.LabelSelector{MatchLabels: map[string]string{RunLabel: p.Run, labels[0]: labels[1]}},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: p.labels(labels...), Annotations: p.annotations()},
				Spec: corev1.PodSpec{
					ServiceAccountName: SleepName, AutomountServiceAccountToken: &no, TerminationGracePeriodSeconds: &grace,
					SecurityContext: &corev1.PodSecurityContext{
						SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
					},
				},
			},
		},
	}
}

// annotations are what the injector has to know.
func (p Plan) annotations() map[string]string {
	if p.Plain {
		return nil
	}
	return map[string]string{
		// Counters of the verification's own clusters, as evidence.
		"sidecar.istio.io/statsInclusionRegexps": fmt.Sprintf("cluster.outbound.%d...*%s.*", Port, p.Namespace),
	}
}

func (p Plan) container(name, image string) corev1.Container {
	user, yes, no := int64(nobody), true, false
	return corev1.Container{
		Name: name, Image: image, ImagePullPolicy: corev1.PullIfNotPresent,
		Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{
			corev1.ResourceCPU: resource.MustParse("10m"), corev1.ResourceMemory: resource.MustParse("16Mi"),
		}},
		SecurityContext: &corev1.SecurityContext{
			RunAsUser: &user, RunAsNonRoot: &yes, AllowPrivilegeEscalation: &no,
			Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
		},
	}
}
