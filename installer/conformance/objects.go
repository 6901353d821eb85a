package conformance

import (
	"context"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// helloName is the Service that cases export, and the workload behind it.
const helloName = "hello"

// The ports of a hello pod and its Service.
const (
	helloPort = 42
	otherPort = 4242
	// affinitySeconds is the timeout of its session affinity.
	affinitySeconds = 10
)

// nobody is a user that needs no entry in an image.
const nobody = 65532

// change makes a Service different from what the suite has.
type change func(*corev1.Service)

// hello is the exported Service as the suite has it, with changes.
func hello(changes ...change) *corev1.Service {
	dual, seconds := corev1.IPFamilyPolicyPreferDualStack, int32(affinitySeconds)
	service := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: helloName},
		Spec: corev1.ServiceSpec{
			Selector:       map[string]string{"app": helloName},
			IPFamilyPolicy: &dual,
			Ports: []corev1.ServicePort{
				port("tcp", corev1.ProtocolTCP, helloPort), port("udp", corev1.ProtocolUDP, helloPort),
			},
			SessionAffinity:       corev1.ServiceAffinityClientIP,
			SessionAffinityConfig: &corev1.SessionAffinityConfig{ClientIP: &corev1.ClientIPConfig{TimeoutSeconds: &seconds}},
		},
	}
	for _, one := range changes {
		one(service)
	}
	return service
}

// port leads to the pods' own port, whatever its number.
func port(name string, protocol corev1.Protocol, number int32) corev1.ServicePort {
	return corev1.ServicePort{Name: name, Protocol: protocol, Port: number, TargetPort: intstr.FromInt32(helloPort)}
}

func headless(service *corev1.Service) { service.Spec.ClusterIP = corev1.ClusterIPNone }

// spread takes the session affinity away, so that each call may go to another pod.
func spread(service *corev1.Service) {
	service.Spec.SessionAffinity, service.Spec.SessionAffinityConfig = corev1.ServiceAffinityNone, nil
}

// ports replaces the ports.
func ports(all ...corev1.ServicePort) change {
	return func(service *corev1.Service) { service.Spec.Ports = all }
}

// helloScript answers one line by TCP or UDP with "pod ip" and the pod's addresses.
// It reads the line first: to close a connection with bytes unread resets it.
const helloScript = `
command -v socat >/dev/null || { echo "the image has no socat"; exit 97; }
answer='SYSTEM:read -r line && echo pod ip $POD_IPS'
case "$POD_IPS" in *:*)
  socat TCP6-LISTEN:42,ipv6only=1,reuseaddr,fork "$answer" &
  socat UDP6-RECVFROM:42,ipv6only=1,reuseaddr,fork "$answer" & ;;
esac
case "$POD_IPS" in *.*)
  socat TCP4-LISTEN:42,reuseaddr,fork "$answer" &
  socat UDP4-RECVFROM:42,reuseaddr,fork "$answer" & ;;
esac
wait`

// startHello makes the pods behind the Service: of a Deployment, or of a StatefulSet
// where they shall have host names.
func (s *scene) startHello(ctx context.Context, m *Member, replicas int32, named bool) error {
	labels := map[string]string{"app": helloName}
	meta := metav1.ObjectMeta{Name: helloName, Labels: labels}
	template := corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: s.pod(helloScript)}
	c := &template.Spec.Containers[0]
	c.Env = []corev1.EnvVar{{Name: "POD_IPS", ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: "status.podIPs"}}}}
	c.ReadinessProbe = &corev1.Probe{
		ProbeHandler:  corev1.ProbeHandler{TCPSocket: &corev1.TCPSocketAction{Port: intstr.FromInt32(helloPort)}},
		PeriodSeconds: 1,
	}
	selector := &metav1.LabelSelector{MatchLabels: labels}
	var err error
	if named {
		_, err = m.Kube.AppsV1().StatefulSets(s.namespace).Create(ctx, &appsv1.StatefulSet{ObjectMeta: meta, Spec: appsv1.StatefulSetSpec{
			Replicas: &replicas, Selector: selector, Template: template, ServiceName: helloName, PodManagementPolicy: appsv1.ParallelPodManagement,
		}}, metav1.CreateOptions{})
	} else {
		_, err = m.Kube.AppsV1().Deployments(s.namespace).Create(ctx, &appsv1.Deployment{
			ObjectMeta: meta, Spec: appsv1.DeploymentSpec{Replicas: &replicas, Selector: selector, Template: template},
		}, metav1.CreateOptions{})
	}
	if err != nil {
		return fmt.Errorf("create workload %s/%s: %w", s.namespace, helloName, err)
	}
	return nil
}

// pod runs a script without any right: the low port is opened to all users of its
// network namespace by a sysctl that counts as safe.
func (s *scene) pod(script string) corev1.PodSpec {
	user, grace, yes, no := int64(nobody), int64(1), true, false
	return corev1.PodSpec{
		AutomountServiceAccountToken: &no, EnableServiceLinks: &no, TerminationGracePeriodSeconds: &grace,
		SecurityContext: &corev1.PodSecurityContext{
			RunAsUser: &user, RunAsNonRoot: &yes,
			SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
			Sysctls:        []corev1.Sysctl{{Name: "net.ipv4.ip_unprivileged_port_start", Value: "0"}},
		},
		Containers: []corev1.Container{{
			Name: "main", Image: s.run.options.Image, ImagePullPolicy: corev1.PullIfNotPresent,
			Command: []string{"/bin/sh", "-c", script},
			SecurityContext: &corev1.SecurityContext{
				AllowPrivilegeEscalation: &no, Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
			},
		}},
	}
}
