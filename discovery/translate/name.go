package translate

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	"google.golang.org/protobuf/proto"

	"github.com/eastwest-mesh/eastwest/discovery/model"
)

// suffix ends every name that a peer may ask an inbound listener for. It is part
// of the wire dialect that Istio's east-west gateways speak, whatever the domain
// of the cluster is.
const suffix = ".svc.cluster.local"

// inbound begins the same names, and no other cluster's.
const inbound = "outbound_."

// InboundName is the SNI under which peers ask for a port of a service, and the
// name of the cluster that it leads to. The peer's SNI reaches any cluster of that
// name, so that no other kind of cluster has a name of this shape.
func InboundName(port model.PortKey) string {
	return inbound + strconv.Itoa(int(port.Number)) + "_._." + port.Service.Name + "." + port.Service.Namespace + suffix
}

// IsInbound reports whether a cluster is one that peers ask for.
func IsInbound(cluster string) bool { return strings.HasPrefix(cluster, inbound) }

// EgressName is the name of the cluster that leads to a port of a service. No SNI
// can hold its bars.
func EgressName(port model.PortKey) string {
	return "egress|" + strconv.Itoa(int(port.Number)) + "|" + port.Service.Name + "." + port.Service.Namespace
}

// PeerName is the name of the cluster that checks the gateways of a member.
func PeerName(member model.MemberName) string { return "gateway|" + string(member) }

// EgressListener is the name of the listener on a port of the gateway.
func EgressListener(port uint16) string { return "egress_" + strconv.Itoa(int(port)) }

// InboundListener is the name of the listener that peers dial.
const InboundListener = "inbound_15443"

// InboundPort is the port that the gateway listens on for peers.
const InboundPort = 15443

// peerSNI is what is asked for where no service is meant. Its shape is that of no
// cluster.
const peerSNI = "eastwest-gateway.eastwest-system" + suffix

// contentHash tells versions of a cluster apart. Envoy does not ask again for an
// assignment whose name it has, so that a changed cluster would wait for its
// endpoints until a time-out, and everything else with it; a new name it asks for.
func contentHash(cluster *clusterv3.Cluster) string {
	sum := sha256.Sum256(marshal(cluster))
	return hex.EncodeToString(sum[:6])
}

// marshal gives equal bytes for equal messages. It fails on strings that are not
// UTF-8 only, and what comes from members is checked for more than that.
func marshal(message proto.Message) []byte {
	content, _ := proto.MarshalOptions{Deterministic: true}.Marshal(message)
	return content
}
