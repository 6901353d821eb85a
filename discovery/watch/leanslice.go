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
	count, f := 0, fields{rest: raw}
	for f.next() {
		if f.number == sliceEndpoints {
			count++
		}
	}
	if f.err != nil {
		return f.err
	}
	s.Endpoints = make([]discoveryv1.Endpoint, 0, count)
	// Each endpoint has an address, and most have the zone of one before them.
	d := sliceDecoder{slice: &s.EndpointSlice, addresses: make([]string, 0, count)}
	return d.decode(raw)
}

type sliceDecoder struct {
	slice     *discoveryv1.EndpointSlice
	addresses []string
	zones     []*string
}

func (d *sliceDecoder) decode(raw []byte) error {
	f := fields{rest: raw}
	for f.next() {
		switch f.number {
		case sliceMetadata:
			f.end(d.metadata(f.content()))
		case sliceEndpoints:
			d.slice.Endpoints = append(d.slice.Endpoints, discoveryv1.Endpoint{})
			f.end(d.endpoint(f.content()))
		case slicePortList:
			d.slice.Ports = append(d.slice.Ports, discoveryv1.EndpointPort{})
			f.end(d.port(f.content()))
		case sliceFamily:
			d.slice.AddressType = discoveryv1.AddressType(f.text())
		}
	}
	return f.err
}

func (d *sliceDecoder) metadata(raw []byte) error {
	meta, f := &d.slice.ObjectMeta, fields{rest: raw}
	for f.next() {
		switch f.number {
		case metaName:
			meta.Name = f.text()
		case metaNamespace:
			meta.Namespace = f.text()
		case metaVersion:
			meta.ResourceVersion = f.text()
		case metaLabels:
			f.end(readEntry(f.content(), &meta.Labels))
		case metaAnnotations:
			f.end(readEntry(f.content(), &meta.Annotations))
		}
	}
	return f.err
}

// readEntry reads a label or an annotation, if somebody asks for it.
func readEntry(raw []byte, into *map[string]string) error {
	var key, value []byte
	f := fields{rest: raw}
	for f.next() {
		switch f.number {
		case entryKey:
			key = f.content()
		case entryValue:
			value = f.content()
		}
	}
	switch string(key) {
	case discoveryv1.LabelServiceName, discoveryv1.LabelManagedBy, labelSourceCluster, v1alpha1.LabelDerived, metav1.InitialEventsAnnotationKey:
		if *into == nil {
			*into = map[string]string{}
		}
		(*into)[string(key)] = string(value)
	}
	return f.err
}

func (d *sliceDecoder) endpoint(raw []byte) error {
	one, f := &d.slice.Endpoints[len(d.slice.Endpoints)-1], fields{rest: raw}
	for f.next() {
		switch f.number {
		case endpointAddresses:
			address := f.content()
			if len(one.Addresses) > 0 {
				continue // the others are not read
			}
			d.addresses = append(d.addresses, string(address))
			last := len(d.addresses) - 1
			one.Addresses = d.addresses[last : last+1 : last+1]
		case endpointConditions:
			f.end(readConditions(f.content(), &one.Conditions))
		case endpointHostname:
			hostname := f.text()
			one.Hostname = &hostname
		case endpointZone:
			one.Zone = d.zone(f.content())
		}
	}
	return f.err
}

// fewZones are as many as a slice usually has.
const fewZones = 8

// zone has endpoints of one zone share its name.
func (d *sliceDecoder) zone(name []byte) *string {
	for _, known := range d.zones {
		if *known == string(name) {
			return known
		}
	}
	one := string(name)
	if len(d.zones) < fewZones {
		d.zones = append(d.zones, &one)
	}
	return &one
}

// said are what conditions point to.
var said = [2]bool{false, true}

func readConditions(raw []byte, into *discoveryv1.EndpointConditions) error {
	f := fields{rest: raw}
	for f.next() {
		switch f.number {
		case conditionReady:
			into.Ready = &said[min(f.varint(), 1)]
		case conditionServing:
			into.Serving = &said[min(f.varint(), 1)]
		case conditionTerminating:
			into.Terminating = &said[min(f.varint(), 1)]
		}
	}
	return f.err
}

func (d *sliceDecoder) port(raw []byte) error {
	one, f := &d.slice.Ports[len(d.slice.Ports)-1], fields{rest: raw}
	for f.next() {
		switch f.number {
		case portName:
			name := f.text()
			one.Name = &name
		case portProtocol:
			protocol := corev1.Protocol(f.text())
			one.Protocol = &protocol
		case portNumber:
			number := int32(f.varint())
			one.Port = &number
		case portApplication:
			application := f.text()
			one.AppProtocol = &application
		}
	}
	return f.err
}
