package member

import (
	"context"
	"errors"
	"fmt"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/eastwest-mesh/eastwest/api/v1alpha1"
)

// ForeignDialects are those of multi-cluster Services that another controller owns in
// the cluster, as it is set up: the importer of GKE, Cilium's switch, Submariner's
// service discovery. Types alone prove nothing: anybody may have brought them.
func (m *Member) ForeignDialects(ctx context.Context) ([]v1alpha1.ForeignDialect, error) {
	var found []v1alpha1.ForeignDialect
	var failures []error
	for _, one := range []struct {
		dialect v1alpha1.ForeignDialect
		owns    func(context.Context) (bool, error)
	}{
		{v1alpha1.ForeignDialect{Group: v1alpha1.MCSGKE, Owner: "GKE"}, m.runs("gke-mcs", "gke-mcs-importer")},
		{v1alpha1.ForeignDialect{Group: v1alpha1.MCSUpstream, Owner: "Cilium"}, m.ciliumMCS},
		{v1alpha1.ForeignDialect{Group: v1alpha1.MCSUpstream, Owner: "Submariner"}, m.runs("submariner-operator", "submariner-lighthouse-agent")},
	} {
		owns, err := one.owns(ctx)
		if err != nil {
			failures = append(failures, fmt.Errorf("see whether %s owns %s: %w", one.dialect.Owner, one.dialect.Group, err))
		}
		if owns {
			found = add(found, one.dialect)
		}
	}
	return found, errors.Join(failures...)
}

// add joins the owners of one dialect.
func add(found []v1alpha1.ForeignDialect, one v1alpha1.ForeignDialect) []v1alpha1.ForeignDialect {
	for i := range found {
		if found[i].Group == one.Group {
			found[i].Owner += ", " + one.Owner
			return found
		}
	}
	return append(found, one)
}

// runs reports whether a Deployment is there that wants replicas.
func (m *Member) runs(namespace, name string) func(context.Context) (bool, error) {
	return func(ctx context.Context) (bool, error) {
		found, err := m.Kube.AppsV1().Deployments(namespace).Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return false, ignoreNotFound(err)
		}
		return wants(found), nil
	}
}

func wants(deployment *appsv1.Deployment) bool {
	return deployment.Spec.Replicas == nil || *deployment.Spec.Replicas > 0
}

// ciliumMCS is the switch of Cilium's Cluster Mesh (cilium-config,
// clustermesh-enable-mcs-api).
func (m *Member) ciliumMCS(ctx context.Context) (bool, error) {
	config, err := m.Kube.CoreV1().ConfigMaps(metav1.NamespaceSystem).Get(ctx, "cilium-config", metav1.GetOptions{})
	if err != nil {
		return false, ignoreNotFound(err)
	}
	return strings.EqualFold(config.Data["clustermesh-enable-mcs-api"], "true"), nil
}
