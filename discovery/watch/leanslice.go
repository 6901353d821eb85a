package watch

import (
	"google.golang.org/protobuf/encoding/protowire"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/eastwest-mesh/eastwest/api/v1alpha1"
)

// leanSlice is an EndpointSlice of which only that is decoded what packSlice reads: of all
// objects these come most often, and most of what is in them is of no use here.
type leanSlice struct{ discoveryv1.EndpointSlice }

// Fields that are read.
// Source: k8s.io/api/discovery/v1/generated.proto (EndpointSlice, Endpoint,
// EndpointConditions, EndpointPort), k8s.io/apimachinery/pkg/apis/meta/v1/generated.proto
// (ObjectMeta).
const (
	sliceMetadata, sliceEndpoints = protowire.Number(1), protowire.Number(2)
	slicePortList, sliceFamily    = protowire.Number(3), protowire.Number(4)

	metaName, metaNamespace     = protowire.Number(1), protowire.Number(3)
	metaVersion                 = protowire.Number(6)
	metaLabels, metaAnnotations = protowire.Number(11), protowire.Number(12)
	entryKey, entryValue        = protowire.Number(1), protowire.Number(2)

	endpointAddresses, endpointConditions = protowire.Number(1), protowire.Number(2)
	endpointHostname, endpointZone        = protowire.Number(3), protowire.Number(7)

	conditionReady, conditionServing = protowire.Number(1), protowire.Number(2)
	conditionTerminating             = protowire.Number(3)

	portName, portProtocol      = protowire.Number(1), protowire.Number(2)
	portNumber, portApplication = protowire.Number(3), protowire.Number(4)
)

// Unmarshal reads an EndpointSlice in protobuf, in place of that of Kubernetes.
func (s *leanSlice) Unmarshal(raw []byte) error {
	count := 0
	if err := eachField(raw, func(f field) error {
		if f.number == sliceEndpoints {
			count++
		}
		return nil
	}); err != nil {
		return err
	}
	s.Endpoints = make([]discoveryv1.Endpoint, 0, count)
	// Each endpoint has an address, and most have the zone of one before them.
	d := sliceDecoder{slice: &s.EndpointSlice, addresses: make([]string, 0, count)}
	return eachField(raw, d.field)
}

type sliceDecoder struct {
	slice     *discoveryv1.EndpointSlice
	addresses []string
	zones     []*string
}

func (d *sliceDecoder) field(f field) error {
	switch f.number {
	case sliceMetadata:
		return f.within(d.metadata)
	case sliceEndpoints:
		d.slice.Endpoints = append(d.slice.Endpoints, discoveryv1.Endpoint{})
		return f.within(d.endpoint)
	case slicePortList:
		d.slice.Ports = append(d.slice.Ports, discoveryv1.EndpointPort{})
		return f.within(d.port)
	case sliceFamily:
		return f.text((*string)(&d.slice.AddressType))
	}
	return nil
}

func (d *sliceDecoder) metadata(f field) error {
	meta := &d.slice.ObjectMeta
	switch f.number {
	case metaName:
		return f.text(&meta.Name)
	case metaNamespace:
		return f.text(&meta.Namespace)
	case metaVersion:
		return f.text(&meta.ResourceVersion)
	case metaLabels:
		return readEntry(f, &meta.Labels)
	case metaAnnotations:
		return readEntry(f, &meta.Annotations)
	}
	return nil
}

// readEntry reads a label or an annotation, if somebody asks for it.
func readEntry(f field, into *map[string]string) error {
	var key, value []byte
	if err := f.within(func(f field) error {
		switch f.number {
		case entryKey:
			return f.raw(&key)
		case entryValue:
			return f.raw(&value)
		}
		return nil
	}); err != nil {
		return err
	}
	switch string(key) {
	case discoveryv1.LabelServiceName, discoveryv1.LabelManagedBy, labelSourceCluster, v1alpha1.LabelDerived, metav1.InitialEventsAnnotationKey:
		if *into == nil {
			*into = map[string]string{}
		}
		(*into)[string(key)] = string(value)
	}
	return nil
}

func (d *sliceDecoder) endpoint(f field) error {
	one := &d.slice.Endpoints[len(d.slice.Endpoints)-1]
	switch f.number {
	case endpointAddresses:
		if len(one.Addresses) > 0 {
			return f.text(new(string)) // the others are not read
		}
		d.addresses = append(d.addresses, "")
		last := len(d.addresses) - 1
		one.Addresses = d.addresses[last : last+1 : last+1]
		return f.text(&one.Addresses[0])
	case endpointConditions:
		return f.within(func(f field) error { return readCondition(f, &one.Conditions) })
	case endpointHostname:
		one.Hostname = new(string)
		return f.text(one.Hostname)
	case endpointZone:
		return d.zone(f, one)
	}
	return nil
}

// fewZones are as many as a slice usually has.
const fewZones = 8

// zone has endpoints of one zone share its name.
func (d *sliceDecoder) zone(f field, into *discoveryv1.Endpoint) error {
	for _, known := range d.zones {
		if *known == string(f.bytes) && f.bytes != nil {
			into.Zone = known
			return nil
		}
	}
	into.Zone = new(string)
	if len(d.zones) < fewZones {
		d.zones = append(d.zones, into.Zone)
	}
	return f.text(into.Zone)
}

// said are what conditions point to.
var said = [2]bool{false, true}

func readCondition(f field, into *discoveryv1.EndpointConditions) error {
	var condition **bool
	switch f.number {
	case conditionReady:
		condition = &into.Ready
	case conditionServing:
		condition = &into.Serving
	case conditionTerminating:
		condition = &into.Terminating
	default:
		return nil
	}
	value, err := f.varint()
	*condition = &said[min(value, 1)]
	return err
}

func (d *sliceDecoder) port(f field) error {
	one := &d.slice.Ports[len(d.slice.Ports)-1]
	switch f.number {
	case portName:
		one.Name = new(string)
		return f.text(one.Name)
	case portProtocol:
		one.Protocol = new(corev1.Protocol)
		return f.text((*string)(one.Protocol))
	case portNumber:
		value, err := f.varint()
		number := int32(value)
		one.Port = &number
		return err
	case portApplication:
		one.AppProtocol = new(string)
		return f.text(one.AppProtocol)
	}
	return nil
}
