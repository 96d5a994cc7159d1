// Package prometheus exposes an engine's counters to Prometheus. It is a module of
// its own, so that package engine does not bring Prometheus' client along.
package prometheus

import (
	"strconv"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/evdengine/evd/engine"
	"github.com/evdengine/evd/internal/param"
)

// collector reads an engine when it is scraped. It keeps nothing, and is safe for
// any number of scrapes at once.
type collector struct{ e *engine.Engine }

// NewCollector returns a collector of e for a prometheus.Registerer. Several
// engines in one registry need labels to tell them apart:
// prometheus.WrapRegistererWith.
//
// Metrics of an EVD carry the labels evd, its name, and id, its number, as names
// may repeat (what in it is not UTF-8 shows as U+FFFD); those of a CQ also cq, its
// place in EVDConfig.CQs. A shared CQ has its name as cq, its number as id, and no evd; a Poller has its name as poller
// and its number as id. The series of an
// EVD end when it is closed; evd_engine_events_total goes on.
//
// Errors: engine.ErrNilHandle.
func NewCollector(e *engine.Engine) (prometheus.Collector, error) {
	if e == nil || e.Async() == nil {
		return nil, param.Wrong(engine.ErrNilHandle, "prometheus: NewCollector", "e", "nil", "what engine.New returned")
	}
	return collector{e}, nil
}

// Describe sends the descriptions of all metrics.
func (c collector) Describe(ch chan<- *prometheus.Desc) {
	for _, m := range ofEngine {
		ch <- m.desc
	}
	ch <- total
	for _, m := range ofEVD {
		ch <- m.desc
	}
	ch <- batches
	for _, m := range ofCQ {
		ch <- m.desc
	}
	for _, m := range ofShared {
		ch <- m.desc
	}
	for _, m := range ofPoller {
		ch <- m.desc
	}
}

// Collect reads the counters.
func (c collector) Collect(ch chan<- prometheus.Metric) {
	st := c.e.Stats()
	for _, m := range ofEngine {
		ch <- prometheus.MustNewConstMetric(m.desc, m.kind, m.value(&st))
	}
	for what, n := range map[string]uint64{
		"posted": st.Total.Posted, "polled": st.Total.Polled, "raised": st.Total.Raised, "rejected": st.Total.Rejected,
		"delivered": st.Total.Delivered, "dequeued": st.Total.Dequeued, "leftover": st.Total.Leftover,
	} {
		ch <- prometheus.MustNewConstMetric(total, prometheus.CounterValue, float64(n), what)
	}
	for _, d := range c.e.EVDs() {
		collectEVD(ch, d)
	}
	for _, s := range c.e.SharedCQs() {
		st, name, id := s.Stats(), strings.ToValidUTF8(s.Name(), "\uFFFD"), strconv.FormatUint(uint64(s.ID()), 10)
		collectCQ(ch, &st.CQStats, "", id, name)
		for _, m := range ofShared {
			ch <- prometheus.MustNewConstMetric(m.desc, m.kind, m.value(&st), id, name)
		}
	}
	for _, g := range c.e.Pollers() {
		collectPoller(ch, g)
	}
}

func collectPoller(ch chan<- prometheus.Metric, g *engine.Poller) {
	st := g.Stats()
	name, id := strings.ToValidUTF8(st.Name, "\uFFFD"), strconv.FormatUint(uint64(st.ID), 10)
	for _, m := range ofPoller {
		ch <- prometheus.MustNewConstMetric(m.desc, m.kind, m.value(&st), name, id)
	}
}

// collectCQ sends the counters of one CQ.
func collectCQ(ch chan<- prometheus.Metric, st *engine.CQStats, labels ...string) {
	for _, m := range ofCQ {
		l := labels
		if m.reason != "" {
			l = append(labels[:len(labels):len(labels)], m.reason)
		}
		ch <- prometheus.MustNewConstMetric(m.desc, m.kind, m.value(st), l...)
	}
}

func collectEVD(ch chan<- prometheus.Metric, d *engine.EVD) {
	q := d.Query()
	name, id := strings.ToValidUTF8(q.Name, "\uFFFD"), strconv.FormatUint(uint64(q.ID), 10)
	for _, m := range ofEVD {
		labels := []string{name, id}
		if m.reason != "" {
			labels = append(labels, m.reason)
		}
		ch <- prometheus.MustNewConstMetric(m.desc, m.kind, m.value(&q), labels...)
	}
	below, cumulative := uint64(0), map[float64]uint64{}
	for i, n := range q.Stats.Batches {
		below += n
		if _, most := engine.BatchBucket(i); most > 0 {
			cumulative[float64(most)] = below
		}
	}
	ch <- prometheus.MustNewConstHistogram(batches, below, float64(q.Stats.Delivered), cumulative, name, id)
	for i := range q.Modes {
		st, err := d.CQStats(i)
		if err != nil {
			continue // there is no such error: an EVD keeps its CQs
		}
		collectCQ(ch, &st, name, id, strconv.Itoa(i))
	}
}
