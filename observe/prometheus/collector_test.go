package prometheus

import (
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/engine"
	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/mock"
)

func newCollector(t *testing.T) (*engine.Engine, prometheus.Collector) {
	t.Helper()
	e, err := engine.New(engine.Config{Workers: 2, Watchdog: engine.NoWatchdog})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, e.Close()) })
	c, err := NewCollector(e)
	require.NoError(t, err)
	return e, c
}

func TestCollector(t *testing.T) {
	e, c := newCollector(t)
	cq, err := mock.New(mock.Config{})
	require.NoError(t, err)
	defer cq.Close()
	d, err := e.NewEVD(engine.EVDConfig{
		Name: "io", Streams: engine.DTO | engine.Software, CQs: []hwcq.CQ{cq}, Mode: engine.ModeEvent, Capacity: 8,
		Dispatch: engine.DispatchInline, Policy: engine.SingleInstance, Upcall: func(*engine.Upcall) {},
	})
	require.NoError(t, err)
	for range 3 {
		require.NoError(t, d.Post(engine.Event{}))
	}
	_, err = e.NewEVD(engine.EVDConfig{Name: "io"}) // names may repeat
	require.NoError(t, err)
	require.NoError(t, testutil.CollectAndCompare(c, strings.NewReader(`
# HELP evd_engine_evds EVDs that are not closed.
# TYPE evd_engine_evds gauge
evd_engine_evds 2
# HELP evd_posted_events_total Events accepted from posters.
# TYPE evd_posted_events_total counter
evd_posted_events_total{evd="io",id="1"} 3
evd_posted_events_total{evd="io",id="2"} 0
# HELP evd_cq_polls 1 if the CQ is polled without ever sleeping (mode spin), else 0.
# TYPE evd_cq_polls gauge
evd_cq_polls{cq="0",evd="io",id="1"} 0
# HELP evd_batch_size_events Upcalls, by how many events they got.
# TYPE evd_batch_size_events histogram
`+histogram("1", 3)+histogram("2", 0)),
		"evd_engine_evds", "evd_posted_events_total", "evd_cq_polls", "evd_batch_size_events"))
	problems, err := testutil.CollectAndLint(c)
	require.NoError(t, err)
	require.Empty(t, problems)

	require.NoError(t, d.SetMode(engine.ModeSpin))
	require.NoError(t, testutil.CollectAndCompare(c, strings.NewReader(`
# HELP evd_cq_polls 1 if the CQ is polled without ever sleeping (mode spin), else 0.
# TYPE evd_cq_polls gauge
evd_cq_polls{cq="0",evd="io",id="1"} 1
`), "evd_cq_polls"))
	require.NoError(t, d.Close())
	require.Zero(t, testutil.CollectAndCount(c, "evd_cq_polls"))
	reg := prometheus.NewPedanticRegistry() // checks what comes against Describe
	require.NoError(t, reg.Register(c))
	all, err := reg.Gather()
	require.NoError(t, err)
	for _, f := range all {
		if f.GetName() != "evd_engine_events_total" {
			continue
		}
		for _, m := range f.GetMetric() {
			if m.GetLabel()[0].GetValue() == "posted" {
				require.EqualValues(t, 3, m.GetCounter().GetValue(), "what a closed EVD had counted stays")
				return
			}
		}
	}
	require.Fail(t, "no evd_engine_events_total")
}

// histogram is that of n upcalls with one event each.
func histogram(id string, n int) string {
	var b strings.Builder
	num := string(rune('0' + n))
	for _, le := range strings.Fields("1 2 4 8 16 32 64 128 256 512 1024 2048 4096 +Inf") {
		b.WriteString(`evd_batch_size_events_bucket{evd="io",id="` + id + `",le="` + le + `"} ` + num + "\n")
	}
	return b.String() + `evd_batch_size_events_sum{evd="io",id="` + id + `"} ` + num + "\n" +
		`evd_batch_size_events_count{evd="io",id="` + id + `"} ` + num + "\n"
}

// The totals of an engine, each by its name; a histogram's sum is of events.
func TestCollectorTotals(t *testing.T) {
	e, c := newCollector(t)
	evd := func(cfg engine.EVDConfig) *engine.EVD {
		d, err := e.NewEVD(cfg)
		require.NoError(t, err)
		return d
	}
	buf := make([]engine.Event, 4)
	take := func(d *engine.EVD, want int) {
		n, err := d.Dequeue(buf[:want])
		require.NoError(t, err)
		require.Equal(t, want, n)
	}
	full := evd(engine.EVDConfig{Name: "io", Capacity: 8})
	for range 8 {
		require.NoError(t, full.Post(engine.Event{}))
	}
	for range 2 {
		require.ErrorIs(t, full.Post(engine.Event{}), engine.ErrFull)
	}
	take(full, 1)
	done := make(chan int, 1)
	require.NoError(t, full.ModifyUpcallAny(engine.SingleInstance, func(u *engine.Upcall) { done <- len(u.Events()) }))
	require.Equal(t, 7, <-done)
	closed := evd(engine.EVDConfig{})
	for range 3 {
		require.NoError(t, closed.Post(engine.Event{}))
	}
	require.NoError(t, closed.Close())
	cq, err := mock.New(mock.Config{})
	require.NoError(t, err)
	defer cq.Close()
	polls := evd(engine.EVDConfig{CQs: []hwcq.CQ{cq}, Mode: engine.ModeEvent})
	_, err = cq.CompleteN(make([]hwcq.WC, 4), false)
	require.NoError(t, err)
	take(polls, 4)
	require.NoError(t, polls.ReportAsync(engine.ProviderError))
	take(e.Async(), 1)
	require.NoError(t, polls.Close())
	require.NoError(t, testutil.CollectAndCompare(c, strings.NewReader(`
# HELP evd_engine_events_total Events of all EVDs, those closed included, by what became of them.
# TYPE evd_engine_events_total counter
evd_engine_events_total{what="delivered"} 7
evd_engine_events_total{what="dequeued"} 6
evd_engine_events_total{what="leftover"} 3
evd_engine_events_total{what="polled"} 4
evd_engine_events_total{what="posted"} 11
evd_engine_events_total{what="raised"} 1
evd_engine_events_total{what="rejected"} 2
`), "evd_engine_events_total"))
	reg := prometheus.NewPedanticRegistry()
	require.NoError(t, reg.Register(c))
	all, err := reg.Gather()
	require.NoError(t, err)
	for _, f := range all {
		if f.GetName() == "evd_batch_size_events" {
			h := f.GetMetric()[0].GetHistogram()
			require.EqualValues(t, 1, h.GetSampleCount())
			require.InDelta(t, 7, h.GetSampleSum(), 0)
			return
		}
	}
	require.Fail(t, "no evd_batch_size_events")
}

// A name is the user's: it need not be UTF-8, as labels have to.
func TestCollectorName(t *testing.T) {
	e, c := newCollector(t)
	_, err := e.NewEVD(engine.EVDConfig{Name: "a\xffb"})
	require.NoError(t, err)
	require.NoError(t, testutil.CollectAndCompare(c, strings.NewReader(`
# HELP evd_capacity_events Events that the ring holds at least.
# TYPE evd_capacity_events gauge
evd_capacity_events{evd="a�b",id="1"} 1024
`), "evd_capacity_events"))
}

func TestNilEngine(t *testing.T) {
	for _, e := range []*engine.Engine{nil, {}} {
		_, err := NewCollector(e)
		require.ErrorIs(t, err, engine.ErrNilHandle)
	}
}

func TestCollectorShared(t *testing.T) {
	e, c := newCollector(t)
	cq, err := mock.New(mock.Config{})
	require.NoError(t, err)
	defer cq.Close()
	s, err := e.NewSharedCQ(engine.SharedCQConfig{Name: "all", CQ: cq, Mode: engine.ModeSpin})
	require.NoError(t, err)
	d, err := e.NewEVD(engine.EVDConfig{Streams: engine.DTO})
	require.NoError(t, err)
	_, err = d.Join(s, 7, 3)
	require.NoError(t, err)
	require.NoError(t, testutil.CollectAndCompare(c, strings.NewReader(`
# HELP evd_shared_reserved_completions Places of the CQ that are reserved for them.
# TYPE evd_shared_reserved_completions gauge
evd_shared_reserved_completions{cq="all",id="1"} 3
# HELP evd_cq_polls 1 if the CQ is polled without ever sleeping (mode spin), else 0.
# TYPE evd_cq_polls gauge
evd_cq_polls{cq="all",evd="",id="1"} 1
`), "evd_shared_reserved_completions", "evd_cq_polls"))
	problems, err := testutil.CollectAndLint(c)
	require.NoError(t, err)
	require.Empty(t, problems)
}

// Pollers, whose names may repeat.
func TestCollectorPollers(t *testing.T) {
	e, c := newCollector(t)
	for i := range 2 {
		g, err := e.NewPoller(engine.PollerConfig{Name: "many"})
		require.NoError(t, err)
		for range i {
			cq, err := mock.New(mock.Config{})
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, cq.Close()) })
			_, err = e.NewEVD(engine.EVDConfig{CQs: []hwcq.CQ{cq}, Poller: g})
			require.NoError(t, err)
		}
	}
	require.NoError(t, testutil.CollectAndCompare(c, strings.NewReader(`
# HELP evd_engine_pollers Pollers of many CQs that are not closed.
# TYPE evd_engine_pollers gauge
evd_engine_pollers 2
# HELP evd_poller_members CQs that the poller waits for.
# TYPE evd_poller_members gauge
evd_poller_members{id="1",poller="many"} 0
evd_poller_members{id="2",poller="many"} 1
`), "evd_engine_pollers", "evd_poller_members"))
	problems, err := testutil.CollectAndLint(c)
	require.NoError(t, err)
	require.Empty(t, problems)
	reg := prometheus.NewPedanticRegistry() // checks what comes against Describe
	require.NoError(t, reg.Register(c))
	_, err = reg.Gather()
	require.NoError(t, err)
}
