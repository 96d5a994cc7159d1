package bench

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/engine"
	"github.com/evdengine/evd/hwcq"
)

// wakeTest runs wake over the CQ, if this host has it.
func wakeTest(t *testing.T, cfg Config) *Report {
	t.Helper()
	cfg.Workload = WakeUp
	require.NoError(t, cfg.Validate())
	r, err := run(t.Context(), cfg.WithDefaults(), &wakeUp{}, testClock(), Watch{})
	if errors.Is(err, hwcq.ErrUnavailable) || errors.Is(err, hwcq.ErrNotSupported) {
		t.Skip(err)
	}
	require.NoError(t, err)
	return r
}

func TestWake(t *testing.T) {
	for _, cfg := range []Config{
		{Mode: "event"},
		{Mode: "event", Dispatch: "queued"},
		{Mode: "adaptive", Spin: 50 * time.Microsecond},
		{Mode: "event", Exclusive: true},
		{CQ: CQEventFD, Mode: "event"},
		{CQ: CQEventFD, Mode: "event", Dispatch: "queued"},
		{CQ: CQURing, Mode: "event"},
		{CQ: CQURing, Mode: "adaptive", Spin: 50 * time.Microsecond},
	} {
		t.Run(cfg.CQ+"/"+cfg.Mode+"/"+cfg.Dispatch, func(t *testing.T) {
			cfg.Count, cfg.Warmup, cfg.Rest = 200, Span{Count: 20}, 50*time.Microsecond
			r := wakeTest(t, cfg)
			require.Empty(t, r.Conservation.Violations)
			assert.EqualValues(t, 200, r.Results.Operations)
			assert.EqualValues(t, 200, r.Results.Latency.Samples)
			assert.GreaterOrEqual(t, r.Conservation.Accepted, uint64(220), "rounds that are not counted come on top")
			// Each round is a sleep from which an event woke the poller.
			assert.GreaterOrEqual(t, r.Engine.Events, uint64(220))
			st := r.Stages
			last := "dispatch"
			if cfg.Dispatch == "queued" {
				last = "queue"
			}
			assert.ElementsMatch(t, []string{"arm", "wake", "poll", last}, st.names())
			assert.True(t, st.stage(t, "arm").Apart)
			assert.InDelta(t, r.Results.Latency.Mean, st.Sum, 3)
			assert.Equal(t, r.Results.Latency.Mean, st.Whole)
			for _, x := range st.Parts {
				assert.EqualValues(t, 200, x.Time.Samples, x.Name)
				assert.GreaterOrEqual(t, x.Time.Min, int64(0), x.Name)
				assert.Equal(t, x.Time, r.Histograms["stage/"+x.Name].Summary())
			}
			require.NotNil(t, r.Wake)
			assert.True(t, r.Wake.Measured)
			assert.Equal(t, r.Engine.Events, r.Wake.Wakeups)
			wake := st.stage(t, "wake").Time
			assert.InDelta(t, float64(*wake.Percentiles[0].Nanos), float64(r.Wake.Recommended), float64(wake.Max)/100+1)
		})
	}
}

// A round before which something else woke the poller is not counted, and the report
// says so.
func TestWakeSaysWhoWasAwake(t *testing.T) {
	cfg := Config{Workload: WakeUp, Mode: "event", Count: 50, Rest: 2 * time.Millisecond, Warmup: Span{Off: true}}.WithDefaults()
	w := &wakeUp{}
	r, err := run(t.Context(), cfg, &nosyWake{wakeUp: w}, testClock(), Watch{})
	require.NoError(t, err)
	require.Empty(t, r.Conservation.Violations)
	assert.EqualValues(t, 50, r.Results.Latency.Samples)
	assert.Positive(t, w.awake)
	assert.Contains(t, r.Warnings[0], "something else woke the poller before the event: they are not counted")
	assert.EqualValues(t, 50+w.awake, r.Conservation.Accepted)
}

// nosyWake wakes the poller just before every other event.
type nosyWake struct{ *wakeUp }

func (n *nosyWake) open(s *session) (engine.EVDConfig, error) {
	ec, err := n.wakeUp.open(s)
	n.bell = &nosyBell{bell: n.bell, wake: func() { n.probe.Events().Wake() }}
	return ec, err
}

type nosyBell struct {
	bell
	wake func()
	n    int
}

func (b *nosyBell) ring() error {
	if b.n++; b.n%2 == 0 {
		b.wake()
		time.Sleep(500 * time.Microsecond) // it is awake, and asleep again
	}
	return b.bell.ring()
}

// A poller that is never asleep: the run ends, and says why.
func TestWakeGivesUp(t *testing.T) {
	l := &wakeUp{s: &session{cfg: Config{Stall: time.Second}, clk: testClock()}}
	l.pace = newPace(Config{Duration: time.Millisecond, Warmup: Span{Off: true}}, testClock(), &l.s.phase)
	l.pace.begin(100)
	assert.False(t, l.pace.over(100))
	assert.True(t, l.pace.over(100+l.s.clk.Ticks(time.Second)))
	l.s.phase.advance(stopping)
	assert.True(t, l.pace.over(100))
	l.probe = newProbe(nil, l.s.clk)
	_, ok := l.rest()
	assert.False(t, ok, "the run is over")
	l.s.gone = make(chan struct{})
	close(l.s.gone)
	assert.False(t, l.await(1), "nobody will come")
}

func TestWakeEnds(t *testing.T) {
	r := wakeTest(t, Config{Mode: "event", Duration: 20 * time.Millisecond, Warmup: Span{Time: 5 * time.Millisecond}})
	require.Empty(t, r.Conservation.Violations)
	assert.Positive(t, r.Results.Operations)
	assert.Less(t, r.Results.Operations, r.Conservation.Accepted)
}

func TestWakeRefuses(t *testing.T) {
	for want, cfg := range map[string]Config{
		"mode = spin: must be event or adaptive with wake":            {Mode: "spin"},
		"rest = 1µs: must be 20us to 1s":                              {Rest: time.Microsecond},
		"rest = 100ms: must be at most half of stall, which is 100ms": {Rest: 100 * time.Millisecond, Stall: 100 * time.Millisecond},
		"service = none: must be left out with wake":                  {Service: "none"},
		"oneway = true: must be left out with wake":                   {OneWay: true},
		"outstanding = 3: must be left out":                           {Outstanding: 3},
		"peer = h:1: must be left out with wake":                      {CQ: CQRXE, Peer: "h:1"},
		"rate = 5: must be left out with wake":                        {Rate: 5},
		"size = 5: must be left out with cq":                          {Size: 5, CQ: CQEventFD},
		"seed = 5: must be left out with cq":                          {Seed: 5, CQ: CQEventFD},
	} {
		cfg.Workload = WakeUp
		assert.ErrorContains(t, cfg.Validate(), want)
	}
	for want, cfg := range map[string]Config{
		`cq = "eventfd": must be mock, rxe, verbs or tcp`:       {CQ: CQEventFD},
		"rest = 1ms: must be left out with lat: it is for wake": {Rest: time.Millisecond},
		"stages = true: must be left out with bw":               {Workload: BW, Stages: true},
		"stages = true: must be left out with server":           {CQ: CQRXE, Server: "h:1", Stages: true},
		"stages = true: must be left out with rate: it follows": {Rate: 5, Stages: true},
	} {
		assert.ErrorContains(t, cfg.Validate(), want)
	}
}

// A complete configuration is a valid one.
func TestWakeDefaults(t *testing.T) {
	for _, cq := range CQNames(WakeUp) {
		c := Config{Workload: WakeUp, CQ: cq}.WithDefaults()
		assert.NoError(t, c.Validate())
		assert.Equal(t, c, c.WithDefaults())
		assert.Equal(t, 200*time.Microsecond, c.Rest)
	}
}

func TestSignificant(t *testing.T) {
	for d, want := range map[time.Duration]time.Duration{
		0: 0, 7: 7, 999: 999, 1234: 1230, 12345: 12300, 123456: 123000, 1999600: 2000000,
	} {
		assert.Equal(t, want, significant(d))
	}
}

// Every workload says what sleeping cost.
func TestEconomy(t *testing.T) {
	for _, cfg := range []Config{
		{Mode: "event", Count: 500},
		{Mode: "event", Count: 500, OneWay: true},
		{Workload: BW, Mode: "event", Count: 5000},
		{Mode: "spin", Count: 500, Service: "const:20us"},
	} {
		r := runTest(t, cfg, workloadFor(cfg))
		require.Empty(t, r.Conservation.Violations)
		w := r.Wake
		require.NotNil(t, w)
		assert.Equal(t, r.Engine.Events, w.Wakeups)
		assert.InDelta(t, float64(w.Wakeups)/float64(r.Conservation.Delivered), w.PerCompletion, 1e-9)
		assert.Equal(t, engine.WakeCost(), w.Cost)
		assert.False(t, w.Measured)
		assert.Positive(t, w.Recommended)
		if cfg.Mode == "spin" {
			assert.Zero(t, w.Wakeups)
			assert.Greater(t, w.Spins, uint64(500), "it looked in vain while the device worked")
		}
		assert.Equal(t, r.CQ.Vain, w.Spins)
	}
}
