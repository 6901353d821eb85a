package installer

import (
	"encoding/json"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/eastwest-mesh/eastwest/installer/apply"
	"github.com/eastwest-mesh/eastwest/installer/config"
	"github.com/eastwest-mesh/eastwest/installer/peer"
	"github.com/eastwest-mesh/eastwest/internal/problem"
)

// gateways are the producer's advertised addresses as the consumer's istiod
// reads them.
func (j *link) gateways() ([]*unstructured.Unstructured, error) {
	advertised := j.producer.spec.Gateway.AdvertisedAddresses
	if len(advertised) > 0 && !j.consumer.facts.HasGatewayAPI {
		return nil, problem.New(problem.Refused, "GatewayAPIMissing",
			"%s advertises %s, which istiod reads from a Gateway API object, and this cluster does not serve the Gateway API",
			j.producer.name(), strings.Join(advertised, ", ")).On(j.consumer.name()).
			WithFix("install the Gateway API's CRDs (standard channel) in this cluster and run this again")
	}
	var objects []*unstructured.Unstructured
	for i, text := range advertised {
		host, port, err := config.Address(text)
		if err != nil {
			return nil, err
		}
		objects = append(objects, peer.RemoteGateway(peer.Advertised{
			Name: fmt.Sprintf("eastwest-%s-%d", j.producer.name(), i+1), Namespace: j.consumer.member.IstioNamespace,
			Network: j.producer.network(), Host: host, Port: port,
		}))
	}
	return objects, nil
}

// recordedGateways are these objects as the consumer's agent restores them, labels of
// their set included; nil where there are none.
func (j *link) recordedGateways() ([]byte, error) {
	objects, err := j.gateways()
	if err != nil || len(objects) == 0 {
		return nil, err
	}
	var fields []map[string]any
	for _, one := range (apply.Set{Name: peer.RemoteSet(j.producer.name()), Objects: objects}).Members() {
		fields = append(fields, one.Object)
	}
	return json.Marshal(fields)
}

// keptGateways are the objects with what lets the consumer's agent restore them.
func (j *link) keptGateways() ([]*unstructured.Unstructured, error) {
	objects, err := j.gateways()
	if err != nil || len(objects) == 0 {
		return nil, err
	}
	var names []string
	for _, one := range objects {
		names = append(names, one.GetName())
	}
	rights, err := peer.GatewayRights(j.producer.name(), j.consumer.member.IstioNamespace, names)
	return append(objects, rights...), err
}
