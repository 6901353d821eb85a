// Package metrics owns what monitoring sees of the agent: the names of all
// metrics, their labels, and how what others counted becomes their values. It
// stands beside the data path and reads; a scrape asks for the counts of that
// moment, so that no stage has to know that it is measured.
//
// The only label that comes from members is their name, a DNS label that the
// operator chose: nobody can fill a database by what it exports.
package metrics

import (
	"net/http"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/eastwest-mesh/eastwest/discovery/model"
	"github.com/eastwest-mesh/eastwest/internal/buildinfo"
)

// Facts are everything that is counted, at one moment.
type Facts struct {
	Leader  bool
	Members []Member
	// Records counts records that are not used, Untranslated parts of the view that
	// gateways cannot be told, both by reason.
	Records, Untranslated map[string]int
	View                  View
	// XDS is nil where no gateway is served, DNS where no name is answered, Snapshot
	// where none is written.
	XDS      *XDS
	DNS      *DNS
	Snapshot *Snapshot
}

// Member is what is counted of one member.
type Member struct {
	Name                model.MemberName
	State               model.State
	Services, Endpoints int
	// Objects are those kept, by resource.
	Objects              map[string]int
	Bytes, Events, Swaps int
	LastEvent, Expires   time.Time
	// Reopened are watches that took the place of one that had ended, by resource.
	Reopened map[string]int
	// Faults and Problems are those of now, Dropped those since the start; all by
	// reason.
	Faults, Problems, Dropped map[string]int
	// Link is nil where the way to the member is not probed, Addresses where it has no
	// advertised ones or another replica keeps them.
	Link      *Link
	Addresses *Addresses
}

// Addresses is what is counted of a member's advertised addresses.
type Addresses struct {
	Kept     bool
	Restored int
}

// Link is what is counted of the way to a member.
type Link struct {
	Up bool
	// RTT is zero where nothing was answered.
	RTT time.Duration
	// Failures are those since the start, by hop.
	Failures map[string]int
}

// View is what is counted of the view.
type View struct {
	Services, Endpoints int
	Complete            bool
}

// XDS is what is counted of the server for gateways.
type XDS struct {
	Streams, Unacked, Opened             int
	Rejected                             map[string]int
	Responses, Resources, Removed, Bytes int
	Acks, Nacks, StaleNonces             int
}

// DNS is what is counted of the server for clusterset.local and of its zone.
type DNS struct {
	Answers                    map[Answered]int
	Truncated, Slipped         int
	Dropped                    map[string]int
	Connections                int
	Services, Records, Omitted int
	Changed                    time.Time
}

// Answered says what was answered and how, in words such as udp, A and NXDOMAIN.
type Answered struct{ Transport, Type, Code string }

// Snapshot is what is counted of the file that outlives the agent.
type Snapshot struct {
	Writes, Failures, Bytes int
	Written                 time.Time
}

// Stages of making and publishing a view.
const (
	StageMerge     = "merge"
	StageTranslate = "translate"
	StagePublish   = "publish"
)

// Registry serves the metrics.
type Registry struct {
	registry  *prometheus.Registry
	durations *prometheus.HistogramVec
}

// New returns a Registry that asks facts with every scrape.
func New(facts func() Facts) *Registry {
	r := &Registry{registry: prometheus.NewRegistry(), durations: prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: durations.Name, Help: durations.Help, Buckets: prometheus.ExponentialBuckets(10e-6, 4, 10),
	}, durations.Labels)}
	for _, stage := range []string{StageMerge, StageTranslate, StagePublish} {
		r.durations.WithLabelValues(stage)
	}
	r.registry.MustRegister(
		r.durations, collector(facts),
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return r
}

// Took notes how long a stage took.
func (r *Registry) Took(stage string, took time.Duration) {
	r.durations.WithLabelValues(stage).Observe(took.Seconds())
}

// Handler answers scrapes.
func (r *Registry) Handler() http.Handler {
	return promhttp.HandlerFor(r.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4, Timeout: 30 * time.Second})
}

// collector turns facts into values.
type collector func() Facts

func (c collector) Describe(out chan<- *prometheus.Desc) {
	for _, one := range all {
		out <- one.desc
	}
}

func (c collector) Collect(out chan<- prometheus.Metric) {
	set := func(of *metric, value float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(of.desc, of.value, value, labels...)
	}
	facts := c()
	set(buildInfo, 1, buildinfo.Version, runtime.Version())
	set(leader, one(facts.Leader))
	facts.collectMembers(set)
	set(viewServices, float64(facts.View.Services))
	set(viewEndpoints, float64(facts.View.Endpoints))
	set(viewComplete, one(facts.View.Complete))
	byReason(set, untranslated, facts.Untranslated)
	byReason(set, records, facts.Records)
	if facts.XDS != nil {
		facts.XDS.collect(set)
	}
	if facts.DNS != nil {
		facts.DNS.collect(set)
	}
	if facts.Snapshot != nil {
		facts.Snapshot.collect(set)
	}
}

// setter takes a value of a metric.
type setter func(of *metric, value float64, labels ...string)

func one(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

func byReason(set setter, of *metric, counts map[string]int, labels ...string) {
	for reason, count := range counts {
		set(of, float64(count), append(labels[:len(labels):len(labels)], reason)...)
	}
}

// states are all there are.
var states = []model.State{model.Joining, model.Ready, model.Degraded, model.Stale, model.Leaving, model.Quarantined}

func (f Facts) collectMembers(set setter) {
	counts := map[model.State]int{}
	for i := range f.Members {
		counts[f.Members[i].State]++
		f.Members[i].collect(set)
	}
	for _, state := range states {
		set(members, float64(counts[state]), state.String())
	}
}

func (m *Member) collect(set setter) {
	name := string(m.Name)
	for _, state := range states {
		set(memberState, one(m.State == state), name, state.String())
	}
	set(services, float64(m.Services), name)
	set(endpoints, float64(m.Endpoints), name)
	for resource, count := range m.Objects {
		set(objects, float64(count), name, resource)
	}
	set(watchedBytes, float64(m.Bytes), name)
	set(events, float64(m.Events), name)
	set(swaps, float64(m.Swaps), name)
	byReason(set, reopened, m.Reopened, name)
	moment(set, lastEvent, m.LastEvent, name)
	moment(set, expiry, m.Expires, name)
	byReason(set, faults, m.Faults, name)
	byReason(set, problems, m.Problems, name)
	byReason(set, dropped, m.Dropped, name)
	if m.Link != nil {
		m.Link.collect(set, name)
	}
	if m.Addresses != nil {
		set(addressesKept, one(m.Addresses.Kept), name)
		set(restored, float64(m.Addresses.Restored), name)
	}
}

func (l *Link) collect(set setter, name string) {
	set(linkUp, one(l.Up), name)
	if l.RTT > 0 {
		set(linkRTT, l.RTT.Seconds(), name)
	}
	byReason(set, linkFailures, l.Failures, name)
}

// moment leaves out what never was: 1970 would look like a long time ago.
func moment(set setter, of *metric, at time.Time, labels ...string) {
	if !at.IsZero() {
		set(of, float64(at.UnixMilli())/1000, labels...)
	}
}

func (x *XDS) collect(set setter) {
	for of, value := range map[*metric]int{
		streams: x.Streams, unacked: x.Unacked, opened: x.Opened, responses: x.Responses, resources: x.Resources,
		removed: x.Removed, sentBytes: x.Bytes, acks: x.Acks, nacks: x.Nacks, staleNonces: x.StaleNonces,
	} {
		set(of, float64(value))
	}
	byReason(set, rejected, x.Rejected)
}

func (d *DNS) collect(set setter) {
	for of, count := range d.Answers {
		set(dnsAnswers, float64(count), of.Transport, of.Type, of.Code)
	}
	for of, value := range map[*metric]int{
		dnsTruncated: d.Truncated, dnsSlipped: d.Slipped, dnsConnections: d.Connections,
		dnsServices: d.Services, dnsRecords: d.Records, dnsOmitted: d.Omitted,
	} {
		set(of, float64(value))
	}
	byReason(set, dnsDropped, d.Dropped)
	moment(set, dnsChanged, d.Changed)
}

func (s *Snapshot) collect(set setter) {
	set(snapshotWrites, float64(s.Writes))
	set(snapshotFailures, float64(s.Failures))
	set(snapshotSize, float64(s.Bytes))
	moment(set, snapshotWritten, s.Written)
}
