package logstore

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

// verb is what a request wants: a label of the metric, so there are only these.
type verb string

const (
	verbWrite verb = "write"
	verbState verb = "state"
	verbRead  verb = "read"
)

// Metrics count what the store does.
type Metrics struct {
	requests, reviews                       *prometheus.CounterVec
	received, sent, deleted                 prometheus.Counter
	writesInFlight, readsInFlight, followed prometheus.Gauge
}

// NewMetrics makes and registers the metrics.
func NewMetrics(registerer prometheus.Registerer) (*Metrics, error) {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: "katkit_logstore_" + name, Help: help})
	}
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Name: "katkit_logstore_" + name, Help: help})
	}
	m := &Metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "katkit_logstore_requests_total", Help: "Requests by what they wanted and the HTTP status they were answered with, or cut.",
		}, []string{"verb", "code"}),
		reviews: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "katkit_logstore_reviews_total", Help: "Questions to the API server by kind, token or access, and answer.",
		}, []string{"kind", "answer"}),
		received:       counter("received_bytes_total", "Bytes of logs that were stored."),
		sent:           counter("sent_bytes_total", "Bytes of logs that were read."),
		deleted:        counter("deleted_logs_total", "Logs that were removed because of their age."),
		writesInFlight: gauge("writes_in_flight", "Writes under way."),
		readsInFlight:  gauge("reads_in_flight", "Reads under way, those that follow included."),
		followed:       gauge("followers", "Reads that follow a log."),
	}
	for _, collector := range []prometheus.Collector{
		m.requests, m.reviews, m.received, m.sent, m.deleted, m.writesInFlight, m.readsInFlight, m.followed,
	} {
		if err := registerer.Register(collector); err != nil {
			return nil, fmt.Errorf("registering the metrics: %w", err)
		}
	}
	return m, nil
}

func (m *Metrics) answered(v verb, code string) { m.requests.WithLabelValues(string(v), code).Inc() }

func (m *Metrics) reviewed(kind, answer string) { m.reviews.WithLabelValues(kind, answer).Inc() }
