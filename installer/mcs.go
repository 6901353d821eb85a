package installer

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	appsv1apply "k8s.io/client-go/applyconfigurations/apps/v1"
	corev1apply "k8s.io/client-go/applyconfigurations/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/eastwest-mesh/eastwest/api/v1alpha1"
	"github.com/eastwest-mesh/eastwest/installer/apply"
	"github.com/eastwest-mesh/eastwest/internal/problem"
)

// Where the chart puts the agent's configuration, and the digest of it that brings
// new pods.
const (
	agentConfigMap   = agentName + "-config"
	agentConfigKey   = "agent.yaml"
	annotationConfig = "eastwest.dev/config"
)

// liveAgent is the configuration of the agent that a member has.
type liveAgent struct {
	v1alpha1.AgentConfig
	text string
	// created is when the agent's configuration was first written.
	created metav1.Time
}

// readAgent reads it; nil where there is no agent.
func (s *site) readAgent(ctx context.Context) (*liveAgent, error) {
	found, err := s.member.Kube.CoreV1().ConfigMaps(agentNamespace).Get(ctx, agentConfigMap, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, nil //nolint:nilnil // there is none, which is an answer
	}
	if err != nil {
		return nil, fmt.Errorf("read ConfigMap %s/%s: %w", agentNamespace, agentConfigMap, err)
	}
	live := &liveAgent{text: found.Data[agentConfigKey], created: found.CreationTimestamp}
	if err := yaml.Unmarshal([]byte(live.text), &live.AgentConfig); err != nil {
		return nil, fmt.Errorf("read ConfigMap %s/%s: %w", agentNamespace, agentConfigMap, err)
	}
	return live, nil
}

// wantedMCS is the part in multi-cluster Services that a member's agent is to have:
// as the mesh file says, else as it is. Dialects of others stay theirs.
func (in *Installer) wantedMCS(ctx context.Context, s *site) (v1alpha1.AgentMCS, error) {
	wanted := in.mesh.Spec.MCS.Enabled
	if wanted == nil {
		live, err := s.readAgent(ctx)
		if err != nil {
			return v1alpha1.AgentMCS{}, err
		}
		on := live == nil || live.MCS.On()
		wanted = &on
	}
	return in.agentMCS(ctx, s, *wanted)
}

// agentMCS is an agent's part where it is switched on or off.
func (in *Installer) agentMCS(ctx context.Context, s *site, on bool) (v1alpha1.AgentMCS, error) {
	foreign, err := s.member.ForeignDialects(ctx)
	if err != nil {
		return v1alpha1.AgentMCS{}, err
	}
	for _, one := range foreign {
		in.tell(Event{Cluster: s.name(), Step: agentSet, State: Note, Text: one.Group + " stays off: " + one.Owner + " owns it here"})
	}
	out := v1alpha1.AgentMCS{Foreign: foreign}
	if !on {
		out.Enabled = &on
	}
	return out, nil
}

// switched is an agent's configuration with another part in multi-cluster Services,
// in the form in which the chart writes it: whatever else is in there stays.
func switched(text string, mcs v1alpha1.AgentMCS) (string, error) {
	config := map[string]any{}
	if err := yaml.Unmarshal([]byte(text), &config); err != nil {
		return "", fmt.Errorf("decode the agent's configuration: %w", err)
	}
	part, err := fields(mcs)
	if err != nil {
		return "", err
	}
	config["mcs"] = part
	if len(part) == 0 {
		delete(config, "mcs")
	}
	out, err := yaml.Marshal(config)
	return string(out), err
}

// configDigest is what the chart puts on the agent's pods.
func configDigest(text string) string {
	const length = 16
	sum := sha256.Sum256([]byte(strings.TrimSuffix(text, "\n")))
	return hex.EncodeToString(sum[:])[:length]
}

// agentWith are the objects of a live agent that are others where it has another part
// in multi-cluster Services: what we applied of them, with that changed.
func (s *site) agentWith(ctx context.Context, live *liveAgent, mcs v1alpha1.AgentMCS) ([]*unstructured.Unstructured, error) {
	text, err := switched(live.text, mcs)
	if err != nil {
		return nil, err
	}
	config, err := s.member.Kube.CoreV1().ConfigMaps(agentNamespace).Get(ctx, agentConfigMap, metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	deployment, err := s.member.Kube.AppsV1().Deployments(agentNamespace).Get(ctx, agentName, metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	ourConfig, configErr := corev1apply.ExtractConfigMap(config, apply.FieldManager)
	ours, err := appsv1apply.ExtractDeployment(deployment, apply.FieldManager)
	if err := errors.Join(configErr, err); err != nil {
		return nil, err
	}
	if ourConfig.Data[agentConfigKey] == "" || ours.Spec == nil || ours.Spec.Template == nil {
		return nil, problem.New(problem.Refused, "AgentOfOthers", "its agent was not installed by eastwest").On(s.name()).
			About("Deployment " + agentNamespace + "/" + agentName).WithFix("set config.mcs.enabled in the chart's values where it was installed")
	}
	ourConfig.Data[agentConfigKey] = text
	ours.Spec.Template.WithAnnotations(map[string]string{annotationConfig: configDigest(text)})
	var out []*unstructured.Unstructured
	for _, one := range []any{ourConfig, ours} {
		object, err := runtime.DefaultUnstructuredConverter.ToUnstructured(one)
		if err != nil {
			return nil, err
		}
		out = append(out, &unstructured.Unstructured{Object: object})
	}
	return out, nil
}
