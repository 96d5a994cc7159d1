package bench

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/mock"
)

// names are those of the stages, in order.
func (st *Stages) names() (n []string) {
	for _, x := range st.Parts {
		n = append(n, x.Name)
	}
	return n
}

// stage is the one of that name.
func (st *Stages) stage(t *testing.T, name string) Stage {
	t.Helper()
	for _, x := range st.Parts {
		if x.Name == name {
			return x
		}
	}
	t.Fatalf("no stage %s in %v", name, st.names())
	return Stage{}
}

// Whatever the path, the parts are all of the latency: what is lost in the sum is the
// rounding of each part to whole nanoseconds.
func TestStagesAddUp(t *testing.T) {
	check := func(t *testing.T, cfg Config) *Report {
		cfg.Stages, cfg.Count, cfg.Warmup = true, 500, Span{Count: 50}
		r := runTest(t, cfg, workloadFor(cfg))
		require.Empty(t, r.Conservation.Violations)
		require.NotNil(t, r.Stages)
		assert.InDelta(t, r.Results.Latency.Mean, r.Stages.Sum, float64(numParts), "%+v", r.Stages)
		assert.Equal(t, r.Results.Latency.Mean, r.Stages.Whole)
		sum := 0.0
		for _, x := range r.Stages.Parts {
			assert.LessOrEqual(t, x.Time.Samples, uint64(500))
			assert.Positive(t, x.Time.Samples)
			assert.Equal(t, x.Time, r.Histograms["stage/"+x.Name].Summary())
			sum += x.PerOp
		}
		assert.InDelta(t, r.Stages.Sum, sum, 1e-6*sum+1e-6)
		assert.Positive(t, r.Stages.Cost)
		return r
	}
	everyMode(t, func(t *testing.T, cfg Config) {
		// The device takes long enough for a poller that may sleep to do so.
		cfg.Service = "const:20us"
		r := check(t, cfg)
		assert.EqualValues(t, 500, r.Stages.stage(t, "poll").Time.Samples)
		if cfg.Dispatch == "queued" {
			assert.Subset(t, []string{"post", "queue", "arm", "wake", "poll"}, r.Stages.names())
			assert.Contains(t, r.Stages.names(), "queue")
		} else {
			assert.Subset(t, []string{"post", "arm", "wake", "poll", "dispatch"}, r.Stages.names())
			assert.Contains(t, r.Stages.names(), "dispatch")
		}
		if cfg.Mode == "spin" {
			assert.NotContains(t, r.Stages.names(), "wake", "it never sleeps")
			assert.NotContains(t, r.Stages.names(), "arm")
		}
		if cfg.Mode == "event" {
			assert.Contains(t, r.Stages.names(), "wake")
		}
	})
	t.Run("oneway", func(t *testing.T) {
		everyMode(t, func(t *testing.T, cfg Config) {
			cfg.OneWay = true
			r := check(t, cfg)
			if cfg.Dispatch == "inline" {
				assert.Subset(t, []string{"post", "queue", "dispatch"}, r.Stages.names())
				assert.Contains(t, r.Stages.names(), "dispatch", "the poster runs upcalls itself")
			} else {
				assert.Subset(t, []string{"post", "queue"}, r.Stages.names())
			}
		})
	})
}

// Without it nothing is read, kept or said.
func TestNoStages(t *testing.T) {
	r := runTest(t, Config{Mode: "event", Count: 100}, &mockPingPong{})
	assert.Nil(t, r.Stages)
	for name := range r.Histograms {
		assert.NotContains(t, name, "stage/")
	}
	var s *split
	s.begin(1)
	s.posted()
	s.arrived(2)
	s.end()
	s.report(r)
	assert.Nil(t, r.Stages)
}

// timed is a split of which each step is known.
func timed(dispatch string) (*split, *probe) {
	p := &probe{}
	return newSplit(&Clock{}, p, dispatch), p
}

func TestSplit(t *testing.T) {
	for _, x := range []struct {
		name, dispatch string
		posted         Ticks
		seen           stamps
		want           map[string]Ticks // in rounds from 100 to 200
	}{
		{"polled", "inline", 110, stamps{1, 2, 3, 4, 180}, map[string]Ticks{"post": 10, "poll": 70, "dispatch": 20}},
		{"slept", "inline", 110, stamps{115, 120, 130, 170, 175}, map[string]Ticks{"post": 10, "poll": 10, "arm": 15, "wake": 40, "dispatch": 25}},
		{"slept before the post", "queued", 110, stamps{50, 55, 60, 170, 175}, map[string]Ticks{"post": 10, "wake": 60, "poll": 5, "queue": 25}},
		{"armed before the post", "queued", 110, stamps{50, 55, 120, 170, 175}, map[string]Ticks{"post": 10, "arm": 10, "wake": 50, "poll": 5, "queue": 25}},
		{"taken before the post returned", "queued", 190, stamps{50, 55, 60, 170, 175}, map[string]Ticks{"post": 90, "queue": 10}},
		{"nothing else", "inline", 100, stamps{}, map[string]Ticks{"dispatch": 100}},
	} {
		t.Run(x.name, func(t *testing.T) {
			s, p := timed(x.dispatch)
			s.begin(100)
			s.until(x.posted, partPost)
			p.taken = x.seen
			s.arrived(200)
			s.end()
			got, sum := map[string]Ticks{}, Ticks(0)
			for i, d := range s.acc {
				if d > 0 {
					got[partNames[i]] = d
					assert.EqualValues(t, 1, s.hists[i].Count())
				} else {
					assert.Zero(t, s.hists[i].Count(), "what did not happen is no sample")
				}
				sum += d
			}
			assert.Equal(t, x.want, got)
			assert.EqualValues(t, 100, sum)
		})
	}
}

// A round with two hops: what the first upcall does between is a post.
func TestSplitOfSeveralUpcalls(t *testing.T) {
	s, p := timed("inline")
	s.begin(100)
	s.until(105, partPost)
	p.taken = stamps{taken: 120}
	s.arrived(130)
	s.until(140, partPost)
	p.taken = stamps{141, 142, 143, 160, 165}
	s.arrived(170)
	assert.Equal(t, [numParts]Ticks{partPost: 15, partPoll: 15 + 1 + 5, partArm: 2, partWake: 17, partDispatch: 15}, s.acc)
}

func TestSplitOfAPost(t *testing.T) {
	for _, x := range []struct {
		name, dispatch    string
		returned, entered Ticks
		want              [numParts]Ticks
	}{
		{"queued", "queued", 120, 150, [numParts]Ticks{partPost: 20, partQueue: 30}},
		{"a fast worker", "queued", 120, 110, [numParts]Ticks{partPost: 10}},
		{"run by the poster", "inline", 120, 110, [numParts]Ticks{partDispatch: 10}},
		{"left to another", "inline", 120, 150, [numParts]Ticks{partPost: 20, partQueue: 30}},
	} {
		t.Run(x.name, func(t *testing.T) {
			s := newSplit(&Clock{}, nil, x.dispatch)
			s.posting(100, x.returned, x.entered)
			assert.Equal(t, x.want, s.acc)
		})
	}
}

func TestStagesWarn(t *testing.T) {
	var said []string
	warn := func(format string, args ...any) { said = append(said, format) }
	(&Stages{Sum: 98, Whole: 100}).check(warn)
	(&Stages{}).check(warn)
	assert.Empty(t, said)
	(&Stages{Sum: 96, Whole: 100}).check(warn)
	(&Stages{Sum: 104, Whole: 100}).check(warn)
	assert.Len(t, said, 2)
	(&Stages{Sum: 100, Whole: 100, Cost: 11}).check(warn)
	assert.Len(t, said, 3)
}

// A probe is the CQ it is around, and finds what goes on.
func TestProbe(t *testing.T) {
	c, err := mock.New(mock.Config{Depth: 8})
	require.NoError(t, err)
	defer c.Close()
	p := newProbe(&countedCQ{CQ: c}, testClock())
	assert.Equal(t, c.Capabilities(), p.Capabilities())
	dst := make([]hwcq.WC, 4)
	assert.Zero(t, p.Poll(dst))
	assert.Zero(t, p.taken, "an empty poll is not timed")
	_, asleep := p.asleep()
	assert.False(t, asleep)
	missed, err := p.Arm(false)
	require.NoError(t, err)
	assert.False(t, missed)

	woken := make(chan bool)
	go func() {
		event, err := p.Events().Wait()
		assert.NoError(t, err)
		woken <- event
	}()
	for !asleep {
		time.Sleep(100 * time.Microsecond)
		_, asleep = p.asleep()
	}
	_, err = c.Complete(hwcq.WC{WRID: 7}, true)
	require.NoError(t, err)
	assert.True(t, <-woken)
	_, asleep = p.asleep()
	assert.False(t, asleep)
	p.fill = func(wc *hwcq.WC) { wc.WRID++ }
	require.Equal(t, 1, p.Poll(dst))
	assert.EqualValues(t, 8, dst[0].WRID)
	at := p.taken
	assert.True(t, 0 < at.arming && at.arming <= at.armed && at.armed <= at.slept && at.slept <= at.woke && at.woke <= at.taken, "%+v", at)

	go func() {
		event, _ := p.Events().Wait()
		woken <- event
	}()
	p.Events().Wake()
	assert.False(t, <-woken)
	event, err := p.Events().TryWait()
	assert.NoError(t, err)
	assert.False(t, event)
	assert.Zero(t, p.Overruns())
	assert.False(t, p.ThreadBound())
	p.NotifyAsync(nil)
	assert.Equal(t, [3]uint64{2, 1, 1}, [3]uint64{p.polls, p.empty, p.completions})
	assert.False(t, p.Pending())
	assert.EqualValues(t, 1, p.vain.Load())
}

// Neither the probe nor the split allocates.
func TestStagesDoNotAllocate(t *testing.T) {
	c, err := mock.New(mock.Config{Depth: 8})
	require.NoError(t, err)
	defer c.Close()
	p := newProbe(&countedCQ{CQ: c}, testClock())
	s := newSplit(testClock(), p, "inline")
	dst := make([]hwcq.WC, 4)
	assert.Zero(t, testing.AllocsPerRun(1000, func() {
		s.begin(s.clk.Now())
		_, _ = p.Arm(false)
		_, _ = c.Complete(hwcq.WC{}, true)
		s.posted()
		_, _ = p.Events().Wait()
		p.Poll(dst)
		p.Pending()
		s.arrived(s.clk.Now())
		s.end()
	}))
	assert.EqualValues(t, 1001, s.n)
}

func TestStagesText(t *testing.T) {
	r := sample(Lat)
	s := newSplit(&Clock{cost: 20}, &probe{}, "inline")
	for i := range Ticks(12000) {
		s.begin(0)
		s.until(100+i, partPost)
		if i%100 == 0 {
			s.until(5000+i, partArm)
			s.until(20000+i, partWake)
		}
		s.until(30000, partPoll)
		s.until(30010+i, partDispatch)
		s.round = 3
		s.end()
	}
	r.Results.Latency = &Summary{Mean: 30010 + 11999./2}
	s.report(r)
	h := NewHist()
	h.Record(55)
	r.Stages.Parts = append(r.Stages.Parts, Stage{Name: "before", Time: h.Summary(), Apart: true})
	tx := &texter{}
	tx.stages(r.Stages)
	golden(t, "stages.txt", []byte(tx.b.String()))
	for _, l := range bytes.Split([]byte(tx.b.String()), []byte("\n")) {
		assert.LessOrEqual(t, len(l), 120)
	}
}
