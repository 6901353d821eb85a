// Package podprobe dials URLs from inside a cluster: one throwaway pod tries all
// of them at once and says of each whether TLS and HTTP worked, or runs one command.
// It knows nothing of what answers there and writes nothing but that pod, which it
// deletes.
package podprobe

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// Target is one URL to dial.
type Target struct {
	URL string
	// CA is the only authority accepted for an https URL, as PEM.
	CA []byte
	// ServerName is expected in the certificate instead of the URL's host.
	ServerName string
}

// Result is what a target answered.
type Result struct {
	// OK is true where the connection, TLS included, was made and HTTP answered
	// with any status.
	OK bool
	// Connected is true where at least TCP was connected.
	Connected bool
	// Reason says in words why it is not.
	Reason string
}

// Options say where the pod runs.
type Options struct {
	Namespace string
	// Image needs sh and curl; for Command, the command.
	Image string
	// PullSecrets are those of the namespace that the image needs.
	PullSecrets []corev1.LocalObjectReference
	// Life bounds the pod, default 60 s.
	Life time.Duration
}

// Label marks probe pods, so that leftovers of a killed run can be found.
const Label = "eastwest.dev/probe"

// script dials every target in parallel; a line per target is its number, curl's
// exit code and curl's words.
const script = `
i=0
while [ "$i" -lt "$TARGETS" ]; do
  (
    eval "url=\$URL_$i; ca=\$CA_$i; to=\$TO_$i"
    printf '%s' "$ca" > "/tmp/ca$i"
    set -- --silent --show-error --output /dev/null --connect-timeout 5 --max-time 8
    [ -n "$ca" ] && set -- "$@" --cacert "/tmp/ca$i"
    [ -n "$to" ] && set -- "$@" --connect-to "$to"
    words=$(curl "$@" "$url" 2>&1)
    code=$?
    printf 'result %s %s %s\n' "$i" "$code" "$(printf '%s' "$words" | tr '\n' ' ')"
  ) &
  i=$((i+1))
done
wait
`

// Run dials targets from a pod and returns one result per target, in order.
func Run(ctx context.Context, kube kubernetes.Interface, options Options, targets []Target) ([]Result, error) {
	if len(targets) == 0 {
		return nil, nil
	}
	text, err := execute(ctx, kube, podFor(options, targets))
	if err != nil {
		return nil, err
	}
	return parse(text, len(targets))
}

// Command runs one command of the image in a pod, and returns what it printed, however
// it ended.
func Command(ctx context.Context, kube kubernetes.Interface, options Options, command ...string) ([]byte, error) {
	return execute(ctx, kube, podOf(options, command, nil))
}

// execute runs a pod to its end, reads its log, and deletes it.
func execute(ctx context.Context, kube kubernetes.Interface, wanted *corev1.Pod) ([]byte, error) {
	pods := kube.CoreV1().Pods(wanted.Namespace)
	pod, err := pods.Create(ctx, wanted, metav1.CreateOptions{})
	if err != nil {
		return nil, fmt.Errorf("create probe pod in namespace %s: %w", wanted.Namespace, err)
	}
	defer func() {
		// The pod must go also when ctx has ended; it ends by itself otherwise.
		cleanup, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		now := int64(0)
		_ = pods.Delete(cleanup, pod.Name, metav1.DeleteOptions{GracePeriodSeconds: &now})
	}()
	if err := finished(ctx, kube, pod); err != nil {
		return nil, err
	}
	stream, err := pods.GetLogs(pod.Name, &corev1.PodLogOptions{}).Stream(ctx)
	if err != nil {
		return nil, fmt.Errorf("read log of probe pod %s/%s: %w", pod.Namespace, pod.Name, err)
	}
	defer stream.Close()
	text, err := io.ReadAll(io.LimitReader(stream, 1<<20))
	if err != nil {
		return nil, fmt.Errorf("read log of probe pod %s/%s: %w", pod.Namespace, pod.Name, err)
	}
	return text, nil
}

func podFor(options Options, targets []Target) *corev1.Pod {
	environment := []corev1.EnvVar{{Name: "TARGETS", Value: strconv.Itoa(len(targets))}}
	for i, target := range targets {
		url, connectTo := dial(target)
		number := strconv.Itoa(i)
		environment = append(environment,
			corev1.EnvVar{Name: "URL_" + number, Value: literal(url)},
			corev1.EnvVar{Name: "CA_" + number, Value: literal(string(target.CA))},
			corev1.EnvVar{Name: "TO_" + number, Value: literal(connectTo)})
	}
	return podOf(options, []string{"sh", "-c", script}, environment)
}

// podOf is a pod that may do nothing but run its command.
func podOf(options Options, command []string, environment []corev1.EnvVar) *corev1.Pod {
	no, yes, user := false, true, int64(1337)
	life := int64(options.Life / time.Second)
	if life == 0 {
		life = 60
	}
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			GenerateName: "eastwest-probe-", Namespace: options.Namespace,
			Labels: map[string]string{
				Label: "true", "app.kubernetes.io/managed-by": "eastwest",
				"sidecar.istio.io/inject": "false", "istio.io/dataplane-mode": "none",
			},
		},
		Spec: corev1.PodSpec{
			RestartPolicy: corev1.RestartPolicyNever, ActiveDeadlineSeconds: &life,
			AutomountServiceAccountToken: &no, EnableServiceLinks: &no, ImagePullSecrets: options.PullSecrets,
			SecurityContext: &corev1.PodSecurityContext{
				RunAsNonRoot: &yes, RunAsUser: &user,
				SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
			},
			Containers: []corev1.Container{{
				Name: "probe", Image: options.Image, ImagePullPolicy: corev1.PullIfNotPresent,
				Command: command, Env: environment,
				SecurityContext: &corev1.SecurityContext{
					AllowPrivilegeEscalation: &no,
					Capabilities:             &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
				},
			}},
		},
	}
}

// literal protects a value from Kubernetes' own $(NAME) expansion.
func literal(value string) string { return strings.ReplaceAll(value, "$", "$$") }

// dial is the URL to ask for and, with a server name, the address to connect to.
func dial(target Target) (url, connectTo string) {
	if target.ServerName == "" {
		return target.URL, ""
	}
	rest, ok := strings.CutPrefix(target.URL, "https://")
	if !ok {
		return target.URL, ""
	}
	address, path, _ := strings.Cut(rest, "/")
	port := "443"
	if i := strings.LastIndex(address, ":"); i > strings.LastIndex(address, "]") {
		address, port = address[:i], address[i+1:]
	}
	return fmt.Sprintf("https://%s:%s/%s", target.ServerName, port, path),
		fmt.Sprintf("%s:%s:%s:%s", target.ServerName, port, address, port)
}

// finished waits until the pod has ended.
func finished(ctx context.Context, kube kubernetes.Interface, pod *corev1.Pod) error {
	ticker := time.NewTicker(250 * time.Millisecond)
	defer ticker.Stop()
	last := "it was not scheduled"
	for {
		live, err := kube.CoreV1().Pods(pod.Namespace).Get(ctx, pod.Name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return fmt.Errorf("probe pod %s/%s was deleted by another", pod.Namespace, pod.Name)
		}
		if err == nil {
			if live.Status.Phase == corev1.PodSucceeded || live.Status.Phase == corev1.PodFailed {
				return nil
			}
			if reason, final := waiting(live); reason != "" {
				last = reason
				if final {
					return fmt.Errorf("probe pod %s/%s cannot run: %s", pod.Namespace, pod.Name, last)
				}
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("probe pod %s/%s did not end (%s): %w", pod.Namespace, pod.Name, last, ctx.Err())
		case <-ticker.C:
		}
	}
}

// waiting is why a pod does not run yet; final where waiting will not help.
func waiting(pod *corev1.Pod) (reason string, final bool) {
	for _, status := range pod.Status.ContainerStatuses {
		if status.State.Waiting == nil {
			continue
		}
		state := status.State.Waiting
		switch state.Reason {
		case "ErrImageNeverPull", "ImagePullBackOff", "InvalidImageName", "CreateContainerConfigError", "CreateContainerError", "RunContainerError":
			return state.Reason + ": " + state.Message, true
		}
		return state.Reason, false
	}
	return "", false
}

// parse reads the script's lines.
func parse(text []byte, targets int) ([]Result, error) {
	results := make([]Result, targets)
	for i := range results {
		results[i].Reason = "the probe ended before it answered"
	}
	seen := false
	for _, line := range bytes.Split(text, []byte("\n")) {
		fields := strings.SplitN(string(line), " ", 4)
		if len(fields) < 3 || fields[0] != "result" {
			continue
		}
		index, err := strconv.Atoi(fields[1])
		if err != nil || index < 0 || index >= targets {
			continue
		}
		seen = true
		words := ""
		if len(fields) == 4 {
			words = strings.TrimSpace(fields[3])
		}
		code, err := strconv.Atoi(fields[2])
		if err != nil {
			continue
		}
		results[index] = Result{OK: code == 0, Connected: Connected(code), Reason: Reason(code, words)}
	}
	if !seen {
		return nil, fmt.Errorf("the probe printed no result; its image needs sh and curl: %q", firstLine(text))
	}
	return results, nil
}

// Connected reports whether curl's exit code tells of a failure after TCP was
// connected: TLS (35, 51, 60), nothing or a reset received (52, 56), or none.
func Connected(code int) bool {
	switch code {
	case 0, 35, 51, 52, 56, 60:
		return true
	}
	return false
}

// Reason puts curl's exit code into words; words are what curl itself said.
func Reason(code int, words string) string {
	switch code {
	case 0:
		return ""
	case 6:
		return "its host name does not resolve there"
	case 7:
		return "the connection is refused or there is no route"
	case 28:
		return "it times out"
	case 51, 60:
		return "its certificate does not fit: " + strings.TrimPrefix(words, "curl: ("+strconv.Itoa(code)+") ")
	case 127:
		return "the probe's image has no curl"
	}
	return words
}

func firstLine(text []byte) string {
	line, _, _ := bytes.Cut(text, []byte("\n"))
	return string(line[:min(len(line), 200)])
}
