package status

import (
	"context"
	"fmt"
	"slices"
	"time"

	"golang.org/x/time/rate"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"

	"github.com/eastwest-mesh/eastwest/discovery/model"
)

// eventResource is that of Kubernetes' events.
var eventResource = schema.GroupVersionResource{Version: "v1", Resource: "events"}

const (
	// eventBurst and eventRate bound the events of one member: it decides how often
	// something is wrong with what it exports.
	eventBurst = 20
	eventRate  = time.Minute
	// eventText is how long a message may be; the server takes 1,024 bytes.
	eventText = 1000
)

// Events tells what is wrong with a member's records and exports as Kubernetes' events,
// each once for as long as it is so. One replica at a time may use it.
type Events struct {
	Client dynamic.Interface
	// Namespace is the agent's own: MemberClusters have none.
	Namespace string

	told  map[topic]bool
	rates map[model.MemberName]*rate.Limiter
}

// topic is what an event is about.
type topic struct {
	member        model.MemberName
	about, reason string
}

// tell makes events of what is new. What has no room now is told later. An event that
// was refused is not tried again: it is a message, not a state.
func (e *Events) tell(ctx context.Context, members []Member, uid func(model.MemberName) types.UID, now time.Time) error {
	if e.told == nil {
		e.told, e.rates = map[topic]bool{}, map[model.MemberName]*rate.Limiter{}
	}
	still, rates := map[topic]bool{}, map[model.MemberName]*rate.Limiter{}
	var failure error
	for _, m := range members {
		limit := e.rates[m.Name]
		if limit == nil {
			limit = rate.NewLimiter(rate.Every(eventRate), eventBurst)
		}
		rates[m.Name] = limit
		for _, one := range slices.Concat(m.Records, m.Exports) {
			at := topic{m.Name, one.About, one.Reason}
			if !still[at] && !e.told[at] {
				if !limit.AllowN(now, 1) {
					continue
				}
				if err := e.send(ctx, m, one, uid(m.Name), now); err != nil {
					failure = fmt.Errorf("make an event of member %s: %w", m.Name, err)
				}
			}
			still[at] = true
		}
	}
	e.told, e.rates = still, rates
	return failure
}

// send makes one event. Its namespace and that of the object it is about must be equal
// for the server, so the object gets the agent's, though it is in none.
func (e *Events) send(ctx context.Context, m Member, one Problem, uid types.UID, now time.Time) error {
	text := exportText(one) + Fix + Remedy(one.Reason)
	moment := now.UTC().Format(time.RFC3339)
	event := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "Event",
		"metadata": map[string]any{"generateName": string(m.Name) + ".", "namespace": e.Namespace},
		"involvedObject": map[string]any{
			"apiVersion": Resource.GroupVersion().String(), "kind": Kind, "name": string(m.Name), "namespace": e.Namespace, "uid": string(uid),
		},
		"type": "Warning", "reason": one.Reason, "message": bytesOf(line(text), eventText),
		"source": map[string]any{"component": manager}, "reportingComponent": manager,
		"firstTimestamp": moment, "lastTimestamp": moment, "count": int64(1),
	}}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	_, err := e.Client.Resource(eventResource).Namespace(e.Namespace).Create(ctx, event, metav1.CreateOptions{FieldManager: manager})
	return err
}

// bytesOf cuts a text between two of its letters.
func bytesOf(text string, most int) string {
	if len(text) <= most {
		return text
	}
	for most > 0 && text[most]&0xc0 == 0x80 {
		most--
	}
	return text[:most]
}
