package metrics

import (
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
)

// Definition is one metric.
type Definition struct {
	Name, Help string
	// Type is counter, gauge or histogram.
	Type   string
	Labels []string
}

// metric is a Definition that values are made of.
type metric struct {
	Definition
	desc  *prometheus.Desc
	value prometheus.ValueType
}

var (
	buildInfo = gauge("build_info", "Always 1; the labels say which build runs.", "version", "go")
	leader    = gauge("leader", "1 on the replica that writes to the cluster, 0 on the others.")

	members       = gauge("members", "Members by state, the own cluster among them.", "state")
	memberState   = gauge("member_state", "1 for the state that a member is in, 0 for the others.", "member", "state")
	services      = gauge("member_services", "Services that a member offers.", "member")
	endpoints     = gauge("member_endpoints", "Endpoints that a member offers, whatever their health.", "member")
	objects       = gauge("member_watched_objects", "Objects of a member that are kept, exported or not.", "member", "resource")
	watchedBytes  = gauge("member_watched_bytes", "About how much memory the kept objects of a member take.", "member")
	events        = counter("member_events_total", "Changes that a member reported since the agent started.", "member")
	swaps         = counter("member_credential_swaps_total", "How often another credential or record of a member took the place of one in use.", "member")
	reopened      = counter("member_watches_reopened_total", "Watches of a member that took the place of one that had ended. A server ends each every half hour or so.", "member", "resource")
	lastEvent     = gauge("member_last_event_timestamp_seconds", "When a member last reported a change.", "member")
	expiry        = gauge("member_credential_expiry_timestamp_seconds", "When the agent's credential for a member ends; absent where it does not say.", "member")
	faults        = gauge("member_faults", "What keeps a member from being watched, by reason.", "member", "reason")
	problems      = gauge("member_problems", "What is wrong with the exports of a member, by reason.", "member", "reason")
	dropped       = counter("member_dropped_total", "Parts of a member's objects that are not used, by reason.", "member", "reason")
	records       = gauge("record_problems", "Records of members that are not used, by reason.", "reason")
	linkUp        = gauge("link_up", "1 where a member on another network was reached as far as it is tried, 0 where not.", "member")
	linkRTT       = gauge("link_rtt_seconds", "How long a question to a member and its answer took last, on a connection that stands; absent where nothing was answered.", "member")
	linkFailures  = counter("link_failures_total", "Probes of a member that failed, by the hop where they did.", "member", "hop")
	addressesKept = gauge("advertised_addresses_kept", "1 where the local istiod is told a member's advertised addresses as they were recorded; absent where there are none, and on replicas that do not write.", "member")
	restored      = counter("advertised_addresses_restored_total", "How often what tells the local istiod a member's advertised addresses was restored.", "member")
	viewServices  = gauge("view_services", "Services of the view: names that any member exports.")
	viewEndpoints = gauge("view_endpoints", "Endpoints of the view.")
	viewComplete  = gauge("view_complete", "1 once every member has been listed since the agent started.")
	untranslated  = gauge("untranslated", "Parts of the view that gateways cannot be told, by reason.", "reason")

	streams     = gauge("xds_streams", "Gateways that are connected.")
	unacked     = gauge("xds_unacked_responses", "Responses that gateways have not answered yet.")
	opened      = counter("xds_streams_opened_total", "Streams that gateways opened.")
	rejected    = counter("xds_rejected_total", "Connections and streams that were turned away, by reason.", "reason")
	responses   = counter("xds_responses_total", "Responses that were sent to gateways.")
	resources   = counter("xds_resources_total", "Resources in these responses.")
	removed     = counter("xds_removed_resources_total", "Names of removed resources in these responses.")
	sentBytes   = counter("xds_response_bytes_total", "Bytes of these responses.")
	acks        = counter("xds_acks_total", "Responses that gateways accepted.")
	nacks       = counter("xds_nacks_total", "Responses that gateways refused.")
	staleNonces = counter("xds_stale_nonces_total", "Answers of gateways to responses that were out of date.")

	dnsAnswers     = counter("dns_answers_total", "Answers to DNS queries for clusterset.local that were sent, by how they were asked for, type of record, and code.", "transport", "type", "code")
	dnsTruncated   = counter("dns_truncated_answers_total", "DNS answers that did not fit into a datagram.")
	dnsSlipped     = counter("dns_rate_limited_answers_total", "DNS answers over a source's rate that were sent empty and as truncated.")
	dnsDropped     = counter("dns_dropped_total", "DNS queries and connections that got no answer, by reason: rate and connections are those over a limit.", "reason")
	dnsConnections = gauge("dns_connections", "DNS connections over TCP that are open.")
	dnsServices    = gauge("dns_zone_services", "Services that have a name in clusterset.local.")
	dnsRecords     = gauge("dns_zone_records", "Records of these services, under all their names.")
	dnsOmitted     = gauge("dns_zone_omitted_endpoints", "Endpoints without a name of their own, which would be longer than DNS allows.")
	dnsChanged     = gauge("dns_zone_changed_timestamp_seconds", "When the zone clusterset.local changed last; absent before there is one.")

	snapshotWrites   = counter("snapshot_writes_total", "Snapshots that were written.")
	snapshotFailures = counter("snapshot_failures_total", "Snapshots that could not be written; the last one stays.")
	snapshotSize     = gauge("snapshot_size_bytes", "Size of the last snapshot.")
	snapshotWritten  = gauge("snapshot_written_timestamp_seconds", "When the last snapshot was written.")
)

// durations is the one metric that is no plain value.
var durations = Definition{
	Name: prefix + "view_build_duration_seconds", Type: "histogram", Labels: []string{"stage"},
	Help: "How long a stage of making and publishing a view took.",
}

// prefix begins the name of every metric of ours.
const prefix = "eastwest_"

// all are the metrics, in the order above.
var all = []*metric{
	buildInfo, leader, members, memberState, services, endpoints, objects, watchedBytes, events, swaps, reopened, lastEvent, expiry, faults,
	problems, dropped, linkUp, linkRTT, linkFailures, addressesKept, restored, records, viewServices, viewEndpoints, viewComplete, untranslated, streams, unacked, opened, rejected,
	responses, resources, removed, sentBytes, acks, nacks, staleNonces,
	dnsAnswers, dnsTruncated, dnsSlipped, dnsDropped, dnsConnections, dnsServices, dnsRecords, dnsOmitted, dnsChanged, snapshotWrites, snapshotFailures, snapshotSize, snapshotWritten,
}

func gauge(name, help string, labels ...string) *metric {
	return newMetric("gauge", prometheus.GaugeValue, name, help, labels)
}

func counter(name, help string, labels ...string) *metric {
	return newMetric("counter", prometheus.CounterValue, name, help, labels)
}

func newMetric(kind string, value prometheus.ValueType, name, help string, labels []string) *metric {
	definition := Definition{Name: prefix + name, Help: help, Type: kind, Labels: labels}
	return &metric{Definition: definition, desc: prometheus.NewDesc(definition.Name, help, labels, nil), value: value}
}

// Definitions lists all metrics by name.
func Definitions() []Definition {
	list := []Definition{durations}
	for _, one := range all {
		list = append(list, one.Definition)
	}
	slices.SortFunc(list, func(a, b Definition) int { return strings.Compare(a.Name, b.Name) })
	return list
}
