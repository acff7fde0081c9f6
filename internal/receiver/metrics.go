package receiver

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

// result is what became of a delivery: a label of the metric, so there are only these.
type result string

const (
	resultAccepted    result = "accepted"
	resultReplayed    result = "replayed"
	resultIgnored     result = "ignored" // of an event or action that links need not know
	resultPing        result = "ping"
	resultMalformed   result = "malformed"
	resultWrongType   result = "wrong_type"
	resultUnavailable result = "unavailable" // links could not be found
	resultForged      result = "forged"
	resultTooLarge    result = "too_large"
	resultOverloaded  result = "overloaded"
	resultAborted     result = "aborted" // the body did not come to its end
	resultUnrouted    result = "unrouted"
)

// outcome is what became of a request for a link.
type outcome string

const (
	outcomeDone   outcome = "done"
	outcomeGone   outcome = "gone"   // there is no such link any more
	outcomeRetry  outcome = "retry"  // tried again later
	outcomeGaveUp outcome = "gaveup" // refused, or failed too often: the poll will do
)

// Metrics count what the receiver does.
type Metrics struct {
	deliveries, requests *prometheus.CounterVec
}

// NewMetrics makes and registers the metrics.
func NewMetrics(registerer prometheus.Registerer) (*Metrics, error) {
	m := &Metrics{
		deliveries: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "katkit_receiver_deliveries_total",
			Help: "Webhook deliveries by what became of them.",
		}, []string{"result"}),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "katkit_receiver_sync_requests_total",
			Help: "Annotations of links by what became of them.",
		}, []string{"result"}),
	}
	for _, collector := range []prometheus.Collector{m.deliveries, m.requests} {
		if err := registerer.Register(collector); err != nil {
			return nil, fmt.Errorf("registering the metrics: %w", err)
		}
	}
	return m, nil
}

func (m *Metrics) delivered(r result)  { m.deliveries.WithLabelValues(string(r)).Inc() }
func (m *Metrics) requested(o outcome) { m.requests.WithLabelValues(string(o)).Inc() }
