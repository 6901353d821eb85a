package watch

import (
	"encoding/json"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/eastwest-mesh/eastwest/api/v1alpha1"
	"github.com/eastwest-mesh/eastwest/discovery/model"
)

// The resources that are watched.
const (
	ofServices = iota
	ofSlices
	ofExports
	ofGKEExports
	ofGateways
	resourceCount
)

// resource is one kind of object, where it is and how it is packed.
type resource struct {
	index int
	// name is how it is called in faults.
	name string
	// word is how it is counted.
	word string
	// paths are where it may be served; the first that is there counts.
	paths          []string
	fields, labels string
	wire
	// accept is the encoding of objects, acceptList that of lists of them.
	accept, acceptList string
	// optional resources are not served by every cluster, and extra ones not even
	// readable: members joined before they were asked for have not allowed it.
	optional, extra bool
	// dialect is that of exports.
	dialect model.Dialects
	// decode reads one object in its envelope, decodeList a page of a list.
	decode     func(raw []byte) (metav1.Object, error)
	decodeList func(raw []byte, each func(metav1.Object)) (metav1.ListMeta, error)
	// pack reduces an object that decode returned.
	pack func(metav1.Object) object
}

// watched lists the resources for a policy.
func watched(p *policy) [resourceCount]resource {
	all := [resourceCount]resource{
		ofServices: {
			name: "services", word: "services", paths: []string{"/api/v1/services"},
			fields: p.skipped(), labels: "!" + v1alpha1.LabelDerived,
			decode: decodeOne[corev1.Service]("Service"), decodeList: eachItem[corev1.Service]("ServiceList"),
			pack: func(one metav1.Object) object { return packService(one.(*corev1.Service)) },
		},
		ofSlices: {
			name: "endpointslices.discovery.k8s.io", word: "endpointslices", paths: []string{"/apis/discovery.k8s.io/v1/endpointslices"},
			fields: p.skipped(),
			labels: strings.Join([]string{
				discoveryv1.LabelServiceName, "!" + labelSourceCluster, "!" + v1alpha1.LabelDerived,
				discoveryv1.LabelManagedBy + "!=" + v1alpha1.ManagedByAgent,
			}, ","),
			decode: decodeOne[leanSlice]("EndpointSlice"), decodeList: eachItem[leanSlice]("EndpointSliceList"),
			pack: func(one metav1.Object) object { return packSlice(&one.(*leanSlice).EndpointSlice, p) },
		},
		ofExports: {
			name: "serviceexports.multicluster.x-k8s.io", word: "serviceexports",
			paths: []string{
				"/apis/multicluster.x-k8s.io/v1beta1/serviceexports", "/apis/multicluster.x-k8s.io/v1alpha1/serviceexports",
			},
			wire: jsonWire, accept: acceptJSON, acceptList: acceptJSON, optional: true, dialect: model.Upstream,
			decode: decodeExport, decodeList: decodeExports,
			pack: func(one metav1.Object) object { return packExport(one.(*serviceExport), model.Upstream) },
		},
		ofGKEExports: {
			name: "serviceexports.net.gke.io", paths: []string{"/apis/net.gke.io/v1/serviceexports"},
			accept: acceptMetadata, acceptList: acceptLists, optional: true, extra: true, dialect: model.GKE,
			decode: decodeOne[metav1.PartialObjectMetadata]("PartialObjectMetadata"), decodeList: eachItem[metav1.PartialObjectMetadata]("PartialObjectMetadataList"),
			pack: func(one metav1.Object) object {
				return packExport(&serviceExport{ObjectMeta: one.(*metav1.PartialObjectMetadata).ObjectMeta}, model.GKE)
			},
		},
		ofGateways: {
			name:   "services of namespace " + p.gateway.namespace,
			word:   "gateways",
			paths:  []string{"/api/v1/namespaces/" + p.gateway.namespace + "/services"},
			fields: "metadata.name=" + p.gateway.name,
			decode: decodeOne[corev1.Service]("Service"), decodeList: eachItem[corev1.Service]("ServiceList"),
			pack: func(one metav1.Object) object { return packGateway(one.(*corev1.Service), p.gateway) },
		},
	}
	for i := range all {
		all[i].index = i
		if all[i].accept == "" {
			all[i].accept, all[i].acceptList = acceptObjects, acceptObjects
		}
		if all[i].events == nil {
			all[i].wire = protobufWire
		}
	}
	return all
}

// decodeOne decodes an object of a kind.
func decodeOne[T any, P interface {
	*T
	metav1.Object
	Unmarshal([]byte) error
}](kind string,
) func([]byte) (metav1.Object, error) {
	return func(raw []byte) (metav1.Object, error) {
		one := P(new(T))
		return one, decodeUnknown(raw, kind, one)
	}
}

// serviceExport is an export of either dialect. That of GKE has no spec.
type serviceExport struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Spec              struct {
		ExportedLabels      map[string]string `json:"exportedLabels"`
		ExportedAnnotations map[string]string `json:"exportedAnnotations"`
	} `json:"spec"`
}

func decodeExport(raw []byte) (metav1.Object, error) {
	one := &serviceExport{}
	return one, decodeJSON(raw, "ServiceExport", one)
}

func decodeExports(raw []byte, each func(metav1.Object)) (metav1.ListMeta, error) {
	return eachDocument(raw, "ServiceExportList", func(raw json.RawMessage) error {
		if err := boundedJSON(raw); err != nil {
			return err
		}
		one := &serviceExport{}
		if err := json.Unmarshal(raw, one); err != nil {
			return err
		}
		each(one)
		return nil
	})
}
