package bench

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/engine"
)

// runScenario runs a configuration to its end.
func runScenario(t *testing.T, cfg Config) *Report {
	t.Helper()
	if cfg.Warmup.zero() {
		cfg.Warmup = Span{Count: 50}
	}
	r := runTest(t, cfg, workloadFor(cfg.WithDefaults()))
	require.Empty(t, r.Conservation.Violations, cfg.scenarioText())
	return r
}

// scenarios are those that can be had in every workload and mode.
var scenarios = []Config{
	{Policy: "many"},
	{Policy: "many:3"},
	{Policy: "drain"},
	{Policy: "drain", Exclusive: true},
	{Policy: "notify"},
	{Handler: "work:1us"},
	{Policy: "drain", Handler: "work:100ns"},
	{Engine: EngineSpinlock},
	{Engine: EngineMutex},
	{Engine: EngineChannel},
	{Engine: EngineChannel, Handler: "work:1us"},
}

func everyScenario(t *testing.T, fn func(t *testing.T, cfg Config)) {
	for _, cfg := range scenarios {
		for _, mode := range []string{"spin", "event", "adaptive"} {
			cfg.Mode = mode
			t.Run(strings.TrimSpace(cfg.scenarioText()+" "+mode), func(t *testing.T) { fn(t, cfg) })
		}
	}
}

func TestScenariosOfLatency(t *testing.T) {
	everyScenario(t, func(t *testing.T, cfg Config) {
		cfg.Count = 200
		r := runScenario(t, cfg)
		assert.EqualValues(t, 200, r.Results.Latency.Samples)
		assert.EqualValues(t, 250, r.Conservation.Delivered+r.Conservation.Dequeued)
		if cfg.Policy == PolicyNotify {
			assert.Zero(t, r.Conservation.Delivered, "such an upcall has no events")
		}
		assert.Positive(t, r.Results.EventsPerUpcall)
		cfg.OneWay = true
		if !cfg.Exclusive {
			r = runScenario(t, cfg)
			assert.EqualValues(t, 200, r.Results.Latency.Samples)
		}
	})
}

func TestScenariosOfThroughput(t *testing.T) {
	everyScenario(t, func(t *testing.T, cfg Config) {
		cfg.Workload, cfg.Count, cfg.Posters, cfg.Capacity = BW, 3000, 2, 64
		r := runScenario(t, cfg)
		assert.GreaterOrEqual(t, r.Conservation.Accepted, uint64(3000))
		assert.Len(t, r.Conservation.Producers, 3)
	})
}

// Several EVDs, each with several CQs: every producer's events come out of its own EVD,
// and the sums are over all.
func TestManyEVDs(t *testing.T) {
	for _, cfg := range []Config{{}, {Policy: PolicyMany}, {Policy: PolicyNotify}, {Engine: EngineMutex}, {Engine: EngineSpinlock}} {
		t.Run(cfg.scenarioText(), func(t *testing.T) {
			cfg.Workload, cfg.Mode, cfg.EVDs, cfg.CQs, cfg.Posters, cfg.Count = BW, "event", 3, 2, 4, 10_000
			cfg.Warmup = Span{Off: true}
			r := runScenario(t, cfg)
			c := &r.Conservation
			require.Len(t, c.Producers, 10)
			var seen uint64
			for _, p := range c.Producers {
				assert.EqualValues(t, 1000, p.Accepted, p.Name)
				seen += p.Seen
			}
			assert.EqualValues(t, 10_000, seen)
			assert.EqualValues(t, 10_000, r.Results.Operations)
			assert.EqualValues(t, 6000, r.CQ.Completions)
			assert.EqualValues(t, 6000, r.Engine.Polled)
			assert.EqualValues(t, 4000, r.Engine.Posted)
		})
	}
}

// An event that comes out of the wrong EVD is found, though the sums agree.
func TestStrayEvents(t *testing.T) {
	s := &session{}
	a, b := s.newUnit(), s.newUnit()
	s.con = a.con
	pa, pb := a.book("a", false), b.book("b", false)
	for _, u := range s.units {
		u.con.Checker = NewChecker(2)
		u.base = &substitute{u: u}
	}
	pa.Offered(2, 2)
	pb.Offered(2, 2)
	events := func(p *Producer, seq ...uint64) (evs []engine.Event) {
		for _, n := range seq {
			evs = append(evs, engine.Event{WRID: WRID(p.ID, n), Stream: engine.DTO})
		}
		return evs
	}
	a.con.upcall(append(events(pa, 0), events(pb, 0)...))
	b.con.upcall(append(events(pb, 1), events(pa, 1)...))
	all := strings.Join(s.balances().Violations, "\n")
	assert.Contains(t, all, "EVD 1: 1 events of b, which feeds another")
	assert.Contains(t, all, "EVD 2: 1 events of a, which feeds another")
	assert.Contains(t, all, "EVD 1: a: missing 1, duplicates 0, reordered 0")
}

func TestManyIsNotHeldToOrder(t *testing.T) {
	s := newSmall()
	s.con.unordered = true
	evs := s.events()
	evs[1], evs[2] = evs[2], evs[1]
	assert.Empty(t, s.run(evs).Violations)
	s = newSmall()
	s.con.unordered = true
	evs = s.events()
	evs[4] = soft(1)
	assert.Equal(t, []string{"poster 0: missing 1, duplicates 1, reordered 0"}, s.run(evs).Violations)
}

// Each fault is injected, is seen, and nothing is lost over it.
func TestFaults(t *testing.T) {
	check := func(t *testing.T, cfg Config) map[string]FaultCheck {
		t.Helper()
		r := runScenario(t, cfg)
		require.NotNil(t, r.Faults)
		assert.Zero(t, r.Faults.Failed, "%+v", r.Faults)
		assert.Len(t, r.Faults.Checks, int(r.Faults.Passed))
		by := map[string]FaultCheck{}
		for _, c := range r.Faults.Checks {
			by[c.Name] = c
			assert.Positive(t, c.Injected, c.Name)
		}
		return by
	}
	for _, cfg := range []Config{
		{Workload: BW, Mode: "event", Faults: "error=100+20/p0.01"},
		{Workload: BW, Mode: "event", Faults: "error=100+500@5"}, // a storm of flushes
		{Workload: BW, Mode: "event", ErrorRate: 0.05},
		{Workload: BW, Mode: "event", ErrorRate: 0.05, Policy: PolicyMany},
		{Workload: BW, Mode: "spin", ErrorRate: 0.05, EVDs: 2, CQs: 2},
		{Workload: BW, Mode: "event", ErrorRate: 0.05, Engine: EngineMutex},
		{Mode: "event", ErrorRate: 0.2},
		{Mode: "event", ErrorRate: 0.2, Policy: PolicyDrain},
		{Mode: "event", ErrorRate: 0.2, Rate: 20_000},
	} {
		cfg.Count = 2000
		c := check(t, cfg)["error"]
		assert.Equal(t, c.Injected, c.Seen, cfg.scenarioText())
	}
	for _, cfg := range []Config{
		{Workload: BW, Mode: "event", Faults: "overrun=p0.05"},
		{Workload: BW, Mode: "event", Faults: "overrun=1+3"}, // everything in flight, more than once
		{Workload: BW, Mode: "spin", Faults: "overrun=p0.05", EVDs: 2},
		{Workload: BW, Mode: "event", Faults: "overrun=p0.05", Policy: PolicyDrain, Posters: 1},
		{Workload: BW, Mode: "event", Faults: "overrun=p0.05", Policy: PolicyNotify},
		{Workload: BW, Mode: "event", Faults: "overrun=p0.05", Engine: EngineChannel},
	} {
		cfg.Count = 2000
		c := check(t, cfg)["overrun"]
		assert.Equal(t, c.Injected, c.Seen, cfg.scenarioText())
	}
	for _, engine := range []string{EngineEVD, EngineMutex} {
		r := check(t, Config{Workload: BW, Mode: "event", Faults: "remove=700", Count: 5000, Engine: engine})
		assert.EqualValues(t, 1, r["remove"].Injected)
	}
	lost := check(t, Config{Mode: "event", Faults: "lose=20", Count: 100, Warmup: Span{Off: true}})["lose"]
	assert.EqualValues(t, 1, lost.Seen, "the watchdog finds it: nothing else comes")
	arm := check(t, Config{Mode: "event", Faults: "armerror=10+2 spurious=p0.1 duplicate=5 delay=50@1us", Count: 200})
	assert.EqualValues(t, 2, arm["armerror"].Seen)
}

// What a script does not say is a violation still, and one that never comes up is told.
func TestFaultsBeyondTheScript(t *testing.T) {
	rep, r := &FaultReport{}, &Report{Warnings: []string{}}
	rep.add(FaultCheck{Name: "error", Injected: 3, Seen: 4, What: "failed ones", Exact: true}, r)
	assert.Equal(t, []string{"fault error: injected 3, seen 4 (failed ones)"}, r.Conservation.Violations)
	r = &Report{Warnings: []string{}}
	rep.add(FaultCheck{Name: "lose"}, r)
	assert.Equal(t, []string{"fault lose never came up: the run is too short for its rule"}, r.Warnings)
	assert.EqualValues(t, 2, rep.Failed)
	assert.Zero(t, rep.Passed)

	s := newSmall() // an event less than the script has it
	s.books[0].Lost = 2
	c := s.run(append(s.events()[:5:5], s.events()[6:]...))
	assert.Contains(t, strings.Join(c.Violations, "\n"), "work requests: missing 1")
}

func TestScenariosAreInterrupted(t *testing.T) {
	for _, cfg := range []Config{
		{Workload: BW, Policy: PolicyMany, Posters: 1},
		{Workload: BW, Policy: PolicyDrain, Posters: 1},
		{Workload: BW, Policy: PolicyNotify, Posters: 1},
		{Workload: BW, Engine: EngineSpinlock, Posters: 2},
		{Workload: BW, Engine: EngineMutex, Posters: 2, EVDs: 2},
		{Workload: BW, Engine: EngineChannel, Posters: 1},
		{Engine: EngineMutex},
		{Policy: PolicyNotify},
	} {
		cfg.Mode, cfg.Duration, cfg.Warmup = "event", time.Hour, Span{Count: 10}
		t.Run(cfg.Workload+cfg.scenarioText(), func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			time.AfterFunc(20*time.Millisecond, cancel)
			cfg := cfg.WithDefaults()
			r, err := run(ctx, cfg, workloadFor(cfg), testClock(), Watch{})
			require.NoError(t, err)
			assert.True(t, r.Interrupted)
			assert.Empty(t, r.Conservation.Violations)
		})
	}
}

// A lost interrupt is the end of what has no watchdog, and the report says so.
func TestWithoutAWatchdog(t *testing.T) {
	cfg := Config{Engine: EngineMutex, Mode: "event", Faults: "lose=20", Count: 100, Stall: 100 * time.Millisecond}
	r := runTest(t, cfg, workloadFor(cfg.WithDefaults()))
	require.NotEmpty(t, r.Conservation.Violations)
	assert.Contains(t, r.Conservation.Violations[0], "no event came for 100ms")
	assert.EqualValues(t, 1, r.Faults.Failed)
}

func TestScenariosDoNotAllocate(t *testing.T) {
	for _, cfg := range scenarios {
		cfg.Workload, cfg.Mode, cfg.Count, cfg.Posters, cfg.Warmup = BW, "event", 20_000, 1, Span{Count: 100}
		r := runScenario(t, cfg)
		assert.Less(t, r.Results.Mallocs, uint64(2000), cfg.scenarioText())
	}
}

func TestWork(t *testing.T) {
	assert.Zero(t, workTurns(0, testClock()))
	assert.Positive(t, workTurns(1, testClock()))
	assert.Greater(t, workTurns(time.Millisecond, testClock()), workTurns(10*time.Microsecond, testClock()))
	assert.Zero(t, testing.AllocsPerRun(10, func() { _ = spinTurns(10) }))
}

func TestScenarioValidation(t *testing.T) {
	for _, x := range []struct {
		cfg  Config
		want string
	}{
		{Config{Engine: "x"}, `engine = "x": must be evd, spinlock-flag, mutex or channel`},
		{Config{Policy: "x"}, `policy = "x": must be ` + PolicyForms},
		{Config{Policy: "many:1"}, `policy = "many:1": must be`},
		{Config{Policy: "many:9999"}, `policy = "many:9999": must be`},
		{Config{Policy: "drain:3"}, `policy = "drain:3": must be`},
		{Config{Handler: "work"}, `handler = "work": must be ` + HandlerForms},
		{Config{Handler: "work:-1us"}, `handler = "work:-1us": must be`},
		{Config{Handler: "work:1s"}, `handler = "work:1s": must be`},
		{Config{Handler: "nap:1us"}, `handler = "nap:1us": must be`},
		{Config{Workload: BW, EVDs: 257}, "evds = 257: must be 1..256"},
		{Config{Workload: BW, CQs: -1}, "cqs = -1: must be 1..64"},
		{Config{EVDs: 2}, "evds = 2: must be left out with lat"},
		{Config{CQs: 2}, "cqs = 2: must be left out with lat"},
		{Config{Workload: BW, EVDs: 2, Flip: 3}, "flip = 3: must be left out with several EVDs"},
		{Config{Workload: BW, CQs: 2, Exclusive: true}, "exclusive = true: must be left out with several CQs"},
		{Config{Workload: BW, Policy: "many", Flip: 3}, "flip = 3: must be left out with policy many"},
		{Config{Policy: "notify", Exclusive: true}, "exclusive = true: must be left out with policy notify"},
		{Config{Policy: "many", Dispatch: "inline"}, "dispatch = inline: must be left out with policy many"},
		{Config{Engine: EngineMutex, Policy: "drain"}, "policy = drain: must be left out with engine mutex"},
		{Config{Engine: EngineMutex, Dispatch: "queued"}, "dispatch = queued: must be left out with engine mutex"},
		{Config{Engine: EngineMutex, Exclusive: true}, "exclusive = true: must be left out with engine mutex"},
		{Config{Engine: EngineMutex, Stages: true}, "stages = true: must be left out with engine mutex"},
		{Config{Policy: "drain", Stages: true}, "stages = true: must be left out with a policy"},
		{Config{Faults: "x=1"}, `faults = "x=1": must be a script such as`},
		{Config{Faults: "lose=1", OneWay: true}, "left out with oneway"},
		{Config{Faults: "overrun=1"}, `faults = "overrun=1": must be left out with lat`},
		{Config{Faults: "remove=1"}, `faults = "remove=1": must be left out with lat`},
		{Config{Workload: BW, Faults: "overrun=1", Depth: 8}, "outstanding = 64: must be at most depth, 8"},
		{Config{Faults: "error=1", ErrorRate: 0.1}, "error-rate = 0.1: must be left out where faults has error="},
		{Config{ErrorRate: 1.1}, "error-rate = 1.1: must be more than 0 and at most 1"},
		{Config{CQ: CQRXE, Policy: "drain"}, "policy = drain: must be left out with cq rxe"},
		{Config{CQ: CQRXE, Engine: EngineMutex}, "engine = mutex: must be left out with cq rxe"},
		{Config{CQ: CQRXE, Workload: BW, EVDs: 2}, "evds = 2: must be left out with cq rxe"},
		{Config{CQ: CQRXE, Faults: "lose=1"}, `faults = "lose=1": must be left out with cq rxe`},
	} {
		err := x.cfg.Validate()
		require.ErrorIs(t, err, engine.ErrInvalid, x.want)
		assert.ErrorContains(t, err, x.want)
	}
	for _, cfg := range []Config{
		{Policy: "many:1024"},
		{Workload: BW, Policy: "drain", Exclusive: true},
		{Handler: "work:10ms"},
		{Workload: BW, Faults: "overrun=1 remove=p0.001"},
		{Workload: BW, EVDs: 256, CQs: 64},
		{Engine: EngineChannel, Faults: "lose=1"},
	} {
		require.NoError(t, cfg.Validate(), cfg.scenarioText())
		d := cfg.WithDefaults()
		assert.Equal(t, d, d.WithDefaults())
		assert.NoError(t, d.Validate())
	}
}

func TestTextSaysTheScenario(t *testing.T) {
	r := sample(BW)
	r.Config.Policy, r.Config.EVDs, r.Config.Faults, r.Config.ErrorRate = "drain", 2, "overrun=3", 0.5
	assert.True(t, strings.HasSuffix(r.Config.load(), ` policy=drain evds=2 faults="overrun=3" error-rate=0.5`), r.Config.load())
	r.Conservation.Lost = 1
	r.Faults = &FaultReport{Script: "overrun=3 lose=9", Passed: 1, Failed: 1, Checks: []FaultCheck{
		{Name: "overrun", Injected: 1000, Seen: 1000, What: "completions that never came", Pass: true},
		{Name: "lose", What: "lost interrupts"},
	}}
	var b strings.Builder
	require.NoError(t, r.Text(&b))
	assert.Contains(t, b.String(), "left over 0 + lost 1, as the script has it: OK")
	assert.Contains(t, b.String(), `
faults        overrun=3 lose=9: 1 passed, 1 failed
              overrun   injected 1 000, seen 1 000 (completions that never came): pass
              lose      injected 0, seen 0 (lost interrupts): FAIL
`)
}
