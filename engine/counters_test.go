package engine

import (
	"bytes"
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/mock"
	"github.com/evdengine/evd/internal/atom"
)

// Every counter of a CQ is told under its own name, and none is left out.
func TestCQStatsNames(t *testing.T) {
	l := &link{poll: &poller{}}
	l.poll.ctl.Store(uint32(ModeSpin))
	st := &l.stats
	l.state.Store(lWATCH)
	want := CQStats{Mode: ModeSpin, Polling: true}
	for i, c := range []struct {
		counter *atom.Counter
		is      *uint64
	}{
		{&st.polled, &want.Polled},
		{&st.found, &want.PolledRuns},
		{&st.arms, &want.Arms},
		{&st.armErrs, &want.ArmErrors},
		{&st.events, &want.Events},
		{&st.spurious, &want.Spurious},
		{&st.missed, &want.Missed},
		{&st.averted, &want.Averted},
		{&st.sleeps, &want.Sleeps},
		{&st.wakes, &want.Wakes},
		{&st.retries, &want.Retries},
		{&st.waitErrs, &want.WaitErrs},
		{&st.stalls, &want.Stalls},
		{&st.lost, &want.LostInterrupts},
		{&st.budget, nil},
		{&st.grown, &want.Grown},
		{&st.shrunk, &want.Shrunk},
	} {
		c.counter.Add(uint64(1) << i)
		if c.is == nil {
			want.Budget = 1 << i
			continue
		}
		*c.is = 1 << i
	}
	require.Equal(t, want, l.counters())
	st.drained.Add(1 << 20)
	require.EqualValues(t, 1<<20|1, l.counters().Polled)
	for i := range reflect.TypeFor[CQStats]().NumField() {
		require.False(t, reflect.ValueOf(want).Field(i).IsZero(), "a counter that this test does not know")
	}
}

// And why Waits returned.
func TestWaitEndsNames(t *testing.T) {
	var st stats
	require.Zero(t, st.waitEnds())
	for i, v := range []verdict{reached, timedOut, ctxOver, woken, unwaitable, closed, deaf} {
		for range i + 1 {
			st.ended(v)
		}
	}
	st.spun()
	st.parked()
	st.parked()
	require.Equal(t, WaitEnds{Events: 1, Time: 2, Context: 3, Woken: 4, Unwaitable: 5, Closed: 6, Dead: 7, Spun: 1, Parked: 2}, st.waitEnds())
}

// A shared CQ that is polled counts the runs that its poller began.
func TestSharedPolledRuns(t *testing.T) {
	cq := newTestCQ(t, mock.Config{})
	e := newTestEngine(t, Config{})
	s := newTestShared(t, e, SharedCQConfig{CQ: cq, Mode: ModeSpin})
	waitFor(t, func() bool { return s.load()&bARM != 0 && s.load().run() == 0 }) // its first look is over
	completeQP(t, cq, 7, 1)
	waitFor(t, func() bool { return s.Stats().PolledRuns == 1 })
	require.EqualValues(t, 1, s.Stats().Polled)
}

// A completion that comes before the arm of a shared CQ, and after the look, is found
// by the look after it, and counted.
func TestSharedMissed(t *testing.T) {
	var cq *mock.CQ
	armed := 0
	cq = newTestCQ(t, mock.Config{Hooks: mock.Hooks{BeforeArm: func() {
		if armed++; armed == 1 {
			completeQP(t, cq, 7, 1)
		}
	}}})
	s := newTestShared(t, stillEngine(t), SharedCQConfig{CQ: cq, Mode: ModeEvent})
	s.link.poll.start(srcWatch)
	st := s.Stats()
	require.EqualValues(t, 1, st.Missed)
	require.EqualValues(t, 1, st.Polled)
	require.EqualValues(t, 1, st.Arms)
	completeQP(t, cq, 7, 2) // one that comes after the arm tells of itself
	s.link.fired(false)
	s.link.poll.start(srcIntr)
	require.EqualValues(t, 1, s.Stats().Missed)
	require.EqualValues(t, 2, s.Stats().Polled)
}

// A shared CQ that drops completions and goes on is told of once, and to all who have
// joined.
func TestSharedLossyOverrun(t *testing.T) {
	cq := newTestCQ(t, mock.Config{Depth: 4})
	e := newTestEngine(t, Config{Watchdog: NoWatchdog})
	s := newTestShared(t, e, SharedCQConfig{CQ: cq, Mode: ModeEvent})
	d, err := e.NewEVD(EVDConfig{Streams: DTO})
	require.NoError(t, err)
	testJoin(t, d, s, 1, 2)
	e.tick()
	require.Zero(t, e.Async().Query().Pending)
	s.mu.Lock() // its poller takes one batch at most meanwhile
	_, err = cq.CompleteN(make([]hwcq.WC, 9), false)
	s.mu.Unlock()
	require.NoError(t, err)
	require.NotZero(t, cq.Overruns())
	waitFor(t, func() bool { return !cq.Pending() })
	e.tick()
	e.tick()
	var buf [8]Event
	n, err := e.Async().Dequeue(buf[:])
	require.NoError(t, err)
	told := map[uint32]int{}
	for _, ev := range buf[:n] {
		if ev.Number == CQOverrun {
			told[ev.Source()] += ev.Count()
		}
	}
	require.Equal(t, map[uint32]int{0: 1, d.ID(): 1}, told)
	testJoin(t, d, s, 2, 2) // it has not ended
}

// What EVDs and shared CQs are told is traced.
func TestTraceOfCalls(t *testing.T) {
	var log bytes.Buffer
	e, err := New(Config{Logger: testLogger(&log), Trace: TraceAPI, Watchdog: NoWatchdog})
	require.NoError(t, err)
	s := newTestShared(t, e, SharedCQConfig{Name: "all", CQ: newTestCQ(t, mock.Config{}), Mode: ModeEvent})
	d, err := e.NewEVD(EVDConfig{Name: "io", CQs: []hwcq.CQ{newTestCQ(t, mock.Config{})}, Mode: ModeEvent, Capacity: 8})
	require.NoError(t, err)
	require.NoError(t, d.Resize(16))
	require.NoError(t, d.SetMode(ModeAdaptive))
	require.NoError(t, d.SetCQMode(0, ModeEvent))
	require.NoError(t, s.SetMode(ModeAdaptive))
	c, err := d.Reserve(CreditsConfig{QPNum: 3, N: 2})
	require.NoError(t, err)
	require.NoError(t, c.Close())
	testJoin(t, d, s, 7, 5)
	require.Error(t, s.Close())
	require.NoError(t, d.Close())
	require.NoError(t, s.Close())
	require.NoError(t, e.Close())
	for _, want := range []string{
		`msg="shared_create(shared=all)"`,
		`msg="evd_resize(evd=io, min_qlen=16) = ok"`,
		`msg="evd_set_mode(evd=io, mode=adaptive) = ok"`,
		`msg="evd_set_mode(evd=io, cq=0, mode=event) = ok"`,
		`msg="shared_set_mode(shared=all, mode=adaptive) = ok"`,
		`msg="credits_reserve(evd=io, cq=0, qp=3, credits=2)"`,
		`msg="credits_free(evd=io, cq=0, qp=3)"`,
		`msg="evd_join(evd=io, shared=all, qp=7, credits=5)"`,
		`msg="shared_free(shared=all) = engine: SharedCQ.Close: shared CQ \"all\": engine: busy: 1 queue pairs have joined"`,
		`msg="shared_free(shared=all) = ok"`,
	} {
		require.Contains(t, log.String(), want)
	}
}
