package stats

import (
	"encoding/json"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/bench"
	"github.com/evdengine/evd/engine"
)

// full is a report with everything in it.
func full() *bench.Report {
	h := bench.NewHist()
	for i := range int64(1500) {
		h.Record(1000 + i)
	}
	s := h.Summary()
	return &bench.Report{
		Results: bench.Results{
			Operations: 100, Rate: 2e6, PerOp: 500, Latency: &s, Response: &s,
			CPU: 150, EventsPerUpcall: 3, Mallocs: 7, GCs: 1,
		},
		Conservation: bench.Conservation{Accepted: 10, Delivered: 6, Dequeued: 1, LeftOver: 1},
		Engine:       engine.Stats{Events: 14},
		CQ:           bench.CQCounts{Overruns: 4},
		Load:         &bench.Load{Offered: 3e6, Achieved: 2e6, LagMax: 5000, LagP99: 4000, Dropped: 9},
		Stages:       &bench.Stages{Parts: []bench.Stage{{Name: "queue", Time: s}}},
		Wake:         &bench.Wake{PerCompletion: 0.25, CPUPerMillion: 1.5, Cost: 6 * time.Microsecond},
	}
}

func TestMetrics(t *testing.T) {
	ms := Metrics(full())
	names := map[string]bool{}
	for _, m := range ms {
		assert.False(t, names[m.Name], "%s twice", m.Name)
		names[m.Name] = true
		assert.NoError(t, Check(m.Name))
		assert.Equal(t, m.Unit, Unit(m.Name))
		assert.Equal(t, m.Better, Direction(m.Name))
	}
	for _, s := range single {
		assert.True(t, names[s.name], "%s is in no report", s.name)
	}
	for name, want := range map[string]float64{
		"rate": 2e6, "ns/op": 500, "p50": 1749, "svc p50": 1749, "SVC_P50": 1749, "resp.p50": 1749, "queue.min": 1000,
		"svc.max": 2499, "mean": 1749.5, "cpu": 150, "wakeups/wc": 0.25, "cpu-s/M": 1.5, "wake-cost": 6000, "mallocs": 7,
		"lost": 2, "overruns": 4, "lag.max": 5000, "dropped": 9, "offered": 3e6,
	} {
		m, ok := Find(ms, name)
		if assert.True(t, ok, name) {
			assert.InEpsilon(t, want, m.Value, 0.001, name)
		}
	}
	// Of 1500 samples 15 are above the 99th percentile, and 1 above the next.
	m, ok := Find(ms, "p99.9")
	assert.True(t, ok)
	assert.False(t, m.Known())
	assert.EqualValues(t, 10000, m.Needs)
	_, ok = Find(ms, "p98")
	assert.False(t, ok)

	r := full()
	r.Wake = nil
	m, _ = Find(Metrics(r), "wakeups/wc")
	assert.Equal(t, 2.0, m.Value, "from the engine's counters")

	// Of a run that has measured nothing there is no figure that could pass for one.
	for _, m := range Metrics(&bench.Report{Results: bench.Results{Latency: &bench.Summary{}}}) {
		assert.Contains(t, []string{"ev/upcall", "mallocs", "gcs", "overruns", "lost"}, m.Name)
	}
}

func TestCheck(t *testing.T) {
	for _, name := range []string{"rate", "p99", "p99.99", "resp.p99.9", "queue.mean", "Resp P50", "cpu", "lag.max"} {
		assert.NoError(t, Check(name), name)
	}
	for _, name := range []string{"", "foo", "p101", "p-1", "p9x", "pp9", "foo.p99", "rate.p99", "svc", "svc.", ".p99", "svc.svc.p99"} {
		assert.ErrorContains(t, Check(name), "must be a metric: rate, ns/op", name)
	}
}

func TestMetricJSON(t *testing.T) {
	for _, m := range []Metric{
		{"rate", PerSecond, Higher, 2.5, 0},
		{"svc.p99.9", Nanos, Lower, math.NaN(), 10000},
	} {
		b, err := json.Marshal(m)
		require.NoError(t, err)
		var back Metric
		require.NoError(t, json.Unmarshal(b, &back))
		assert.Equal(t, m.Known(), back.Known())
		if !m.Known() {
			m.Value, back.Value = 0, 0
		}
		assert.Equal(t, m, back)
	}
	j := Judgement{Metric: "rate", A: math.NaN(), B: 2, Floor: math.NaN(), Delta: unknown, Verdict: Inconclusive, N: 3}
	b, err := json.Marshal(j)
	require.NoError(t, err)
	var back Judgement
	require.NoError(t, json.Unmarshal(b, &back))
	assert.True(t, math.IsNaN(back.A) && math.IsNaN(back.Floor) && math.IsNaN(back.Delta.Center))
	assert.Equal(t, math.Inf(1), back.Delta.Hi)
	assert.Equal(t, 2.0, back.B)
	assert.Equal(t, 3, back.N)
	for _, v := range []any{&Metric{}, &Interval{}, &Judgement{}} {
		assert.Error(t, json.Unmarshal([]byte(`[]`), v))
	}
}

func TestFormat(t *testing.T) {
	for _, x := range []struct {
		v    float64
		unit string
		want string
	}{
		{2104, Nanos, "2 104 ns"},
		{1234567.8, PerSecond, "1 234 568/s"},
		{61.25, Percent, "61.2 %"},
		{61, Percent, "61 %"},
		{0, Number, "0"},
		{0.1234, Number, "0.123"},
		{-1234, Number, "-1 234"},
		{12.34, Number, "12.3"},
		{123.4, Nanos, "123 ns"},
		{1.5, Seconds, "1.5 s"},
		{math.NaN(), Nanos, "n/a"},
	} {
		assert.Equal(t, x.want, Format(x.v, x.unit))
	}
}

func TestShort(t *testing.T) {
	for _, x := range []struct {
		v    float64
		unit string
		want string
	}{
		{9999, Nanos, "9 999 ns"},
		{10000, Nanos, "10.00 us"},
		{104032, Nanos, "104.0 us"},
		{999999, Nanos, "1.00 ms"},
		{2.5e9, Nanos, "2.50 s"},
		{44430709, PerSecond, "44.43M/s"},
		{995652, PerSecond, "995.7k/s"},
		{12345, Number, "12.35k"},
		{123456, Percent, "123.5k %"},
		{61, Percent, "61 %"},
		{1e15, Number, "1 000 000 000 000 000"},
		{math.NaN(), Nanos, "n/a"},
		{-20000, Number, "-20.00k"},
	} {
		assert.Equal(t, x.want, Short(x.v, x.unit))
	}
}

func TestParse(t *testing.T) {
	for _, x := range []struct {
		s, unit string
		want    float64
	}{
		{"5us", Nanos, 5000},
		{"5 us", Nanos, 5000},
		{"5000", Nanos, 5000},
		{"200k", PerSecond, 2e5},
		{"1.5M/s", PerSecond, 1.5e6},
		{"200 k/s", PerSecond, 2e5},
		{"80%", Percent, 80},
		{"80 %", Percent, 80},
		{"80", Percent, 80},
		{"10k", Number, 1e4},
		{"1.5s", Seconds, 1.5},
		{"2", Seconds, 2},
		{"1G", Number, 1e9},
		{" 7 ", Number, 7},
	} {
		v, err := Parse(x.s, x.unit)
		assert.NoError(t, err, x.s)
		assert.Equal(t, x.want, v, x.s)
	}
	for _, x := range [][3]string{
		{"5%", Nanos, "a time such as 5us"},
		{"", Nanos, "a time"},
		{"5us", PerSecond, "a rate such as 200k/s"},
		{"5us", Percent, "a percentage"},
		{"NaN", Number, "a number"},
		{"inf", Number, "a number"},
		{"1kk", Number, "a number"},
		{"k", PerSecond, "a rate"},
	} {
		_, err := Parse(x[0], x[1])
		assert.ErrorContains(t, err, x[2], x[0])
	}
}

func TestCondition(t *testing.T) {
	for _, x := range []struct {
		text     string
		yes, no  float64
		op, name string
	}{
		{"p99>5us", 5001, 5000, ">", "svc.p99"},
		{"p99 >= 5us", 5000, 4999, ">=", "svc.p99"},
		{"rate<200k/s", 1e5, 2e5, "<", "rate"},
		{"resp.p99.9<=1ms", 1e6, 1e6 + 1, "<=", "resp.p99.9"},
		{"lost!=0", 1, 0, "!=", "lost"},
		{"gcs==0", 0, 1, "==", "gcs"},
		{"cpu>80%", 81, 80, ">", "cpu"},
	} {
		c, err := ParseCondition(x.text)
		require.NoError(t, err, x.text)
		assert.Equal(t, Condition{x.text, x.name, x.op, c.Value}, c)
		assert.True(t, c.Holds(x.yes), x.text)
		assert.False(t, c.Holds(x.no), x.text)
	}
	for text, says := range map[string]string{
		"": "must be METRIC", "p99": "must be METRIC", "p99=5us": "must have one of", "foo>1": "must be a metric", ">1": "must be a metric",
		"p99>": "the value of svc.p99", "p99>5%": `"5%" must be a time`, "p99>>5us": `">5us" must be a time`, "p99!5": "must have one of",
	} {
		_, err := ParseCondition(text)
		assert.ErrorContains(t, err, says, text)
	}
}

func FuzzParseCondition(f *testing.F) {
	for _, s := range []string{"p99>5us", "rate<=1k/s", "lost!=0", "=", "p99.9.9>1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		c, err := ParseCondition(s)
		if err != nil {
			return
		}
		if Check(c.Metric) != nil || math.IsNaN(c.Value) || !(c.Holds(c.Value) == (c.Op == ">=" || c.Op == "<=" || c.Op == "==")) {
			t.Fatalf("%q: %+v", s, c)
		}
	})
}

func TestSample(t *testing.T) {
	a, b := Metrics(full()), Metrics(full())
	v, _, ok := Sample([][]Metric{a, b}, "p99")
	assert.True(t, ok)
	assert.Len(t, v, 2)
	_, why, ok := Sample([][]Metric{a, b}, "p99.9")
	assert.False(t, ok)
	assert.Equal(t, "svc.p99.9 has no figure: it needs 10000 samples", why)
	_, why, ok = Sample([][]Metric{a, nil}, "rate")
	assert.False(t, ok)
	assert.Equal(t, "rate is not measured by this run", why)
	_, _, ok = Sample(nil, "rate")
	assert.False(t, ok)
}
