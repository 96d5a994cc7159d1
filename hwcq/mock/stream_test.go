package mock

import (
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/hwcq"
)

func start(tb testing.TB, c *CQ, l Load) *Stream {
	tb.Helper()
	s, err := c.Start(l)
	require.NoError(tb, err)
	return s
}

func TestStreamCount(t *testing.T) {
	for _, tc := range []struct {
		name string
		load Load
	}{
		{"singles", Load{}},
		{"bursts", Load{Bursts: []int{1, 5, 300}}},
		{"random bursts", Load{Bursts: []int{1, 5, 300}, RandomBursts: true}},
		{"paced", Load{Gap: Exp(time.Microsecond)}},
		{"scripted", Load{Gap: Script(0, 0, 50*time.Microsecond), Bursts: []int{4, 1}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			const n = 1000
			c := open(t, Config{Depth: 64}) // much less than n: it waits for room
			tc.load.Count = n
			tc.load.WC = hwcq.WC{WRID: 100, Opcode: hwcq.OpRecv, QPNum: 5}
			s := start(t, c, tc.load)
			for i, wc := range pollN(c, n) {
				require.Equal(t, hwcq.WC{WRID: 100 + uint64(i), Opcode: hwcq.OpRecv, QPNum: 5}, wc)
			}
			<-s.Done()
			assert.EqualValues(t, n, s.Sent())
			assert.Zero(t, c.Poll(make([]hwcq.WC, 1)))
			assert.Zero(t, c.Overruns())
			s.Stop()
			assert.Empty(t, c.workers)
		})
	}
}

func TestStreamStalls(t *testing.T) {
	c := open(t, Config{Depth: 2})
	s := start(t, c, Load{})
	for s.Stalls() == 0 {
		runtime.Gosched()
	}
	assert.EqualValues(t, 2, s.Sent())
	time.Sleep(5 * time.Millisecond)
	assert.EqualValues(t, 1, s.Stalls(), "one wait, however often it looks")
	s.Stop() // although it waits for room
	assert.Equal(t, 2, c.Poll(make([]hwcq.WC, 4)))
}

func TestStreamOverrun(t *testing.T) {
	c := open(t, Config{Depth: 4})
	s := start(t, c, Load{Count: 10, Overrun: true})
	<-s.Done()
	assert.EqualValues(t, 10, s.Sent())
	assert.EqualValues(t, 6, c.Overruns())
	assert.EqualValues(t, 3, pollN(c, 4)[3].WRID)
}

func TestStreamDuration(t *testing.T) {
	c := open(t, Config{Depth: 4096})
	began := time.Now()
	s := start(t, c, Load{Duration: 20 * time.Millisecond, Gap: Const(time.Millisecond)})
	<-s.Done()
	assert.GreaterOrEqual(t, time.Since(began), 20*time.Millisecond-time.Millisecond)
	// Planned at 0, 1, ... 19 ms; fewer when the goroutine was late.
	assert.LessOrEqual(t, s.Sent(), uint64(20))
	assert.GreaterOrEqual(t, s.Sent(), uint64(1))

	s = start(t, c, Load{Duration: time.Nanosecond, Overrun: true})
	<-s.Done() // a load without a schedule ends by the clock as well

	// A start planned for after the end is not waited for.
	s = start(t, c, Load{Duration: 20 * time.Millisecond, Gap: Const(time.Hour)})
	<-s.Done()
	assert.LessOrEqual(t, s.Sent(), uint64(1))
	assert.Empty(t, c.workers, "what is done needs no Stop")
}

func TestStreamStop(t *testing.T) {
	for _, l := range []Load{{Overrun: true}, {Gap: Const(time.Hour)}, {Gap: Const(time.Millisecond)}, {}} {
		c := open(t, Config{Depth: 1})
		s := start(t, c, l)
		for s.Sent() == 0 {
			runtime.Gosched()
		}
		s.Stop()
		s.Stop()
		<-s.Done()
		assert.Empty(t, c.workers)
	}
}

func TestStreamSolicitedAndFailed(t *testing.T) {
	c := open(t, Config{})
	_, err := c.Arm(true)
	require.NoError(t, err)
	<-start(t, c, Load{Count: 4, SolicitedEvery: 5}).Done()
	assert.Zero(t, c.Stats().EventsRaised)
	<-start(t, c, Load{Count: 5, SolicitedEvery: 5}).Done()
	assert.EqualValues(t, 1, c.Stats().EventsRaised)
	pollN(c, 9)

	<-start(t, c, Load{Count: 6, WC: hwcq.WC{WRID: 10, QPNum: 3, ByteLen: 64}, Fail: Rule{First: 2, Count: 2}}).Done()
	<-start(t, c, Load{Count: 1, Fail: Always(), FailStatus: hwcq.StatusWRFlushErr}).Done()
	out := pollN(c, 7)
	for i, wc := range out[:6] {
		want := hwcq.WC{WRID: 10 + uint64(i), QPNum: 3, ByteLen: 64}
		if i == 1 || i == 2 {
			want = hwcq.WC{WRID: 10 + uint64(i), QPNum: 3, Status: hwcq.StatusGeneralErr}
		}
		assert.Equal(t, want, wc)
	}
	assert.Equal(t, hwcq.StatusWRFlushErr, out[6].Status)
}

// A time stamp minus late is the planned time: it advances by the gap.
func TestStreamLate(t *testing.T) {
	c := open(t, Config{})
	const gap = 100 * time.Microsecond
	type stamp struct {
		seq  uint64
		late time.Duration
		now  time.Duration
	}
	var stamps []stamp
	began := time.Now()
	s := start(t, c, Load{Count: 20, Gap: Const(gap), Bursts: []int{2}, Fill: func(seq uint64, late time.Duration, _ *hwcq.WC) {
		stamps = append(stamps, stamp{seq, late, time.Since(began)})
	}})
	<-s.Done()
	require.Len(t, stamps, 20)
	for i, st := range stamps {
		assert.EqualValues(t, i, st.seq)
		assert.GreaterOrEqual(t, st.late, time.Duration(0))
		// The planned time is i/2 gaps after the stream's start, which was
		// after began, and now was read after late was.
		assert.GreaterOrEqual(t, st.now-st.late, time.Duration(i/2)*gap)
	}

	// What delays one burst makes the next ones late: the schedule stays.
	lates := make([]time.Duration, 0, 3)
	<-start(t, c, Load{Count: 3, Gap: Const(time.Millisecond), Fill: func(seq uint64, late time.Duration, _ *hwcq.WC) {
		lates = append(lates, late)
		if seq == 0 {
			time.Sleep(20 * time.Millisecond)
		}
	}}).Done()
	assert.GreaterOrEqual(t, lates[1], 19*time.Millisecond)
	assert.GreaterOrEqual(t, lates[2], 18*time.Millisecond)

	lates = nil
	<-start(t, c, Load{Count: 3, Fill: func(_ uint64, late time.Duration, _ *hwcq.WC) { lates = append(lates, late) }}).Done()
	assert.Equal(t, make([]time.Duration, 3), lates, "no schedule, no lateness")
}

// Equal seeds, equal streams; two streams of one CQ differ.
func TestStreamSeeds(t *testing.T) {
	sizes := func(c *CQ, seed uint64) []hwcq.WC {
		<-start(t, c, Load{Count: 200, Seed: seed, Fail: Rule{Prob: 0.5}}).Done()
		return pollN(c, 200)
	}
	a, b := open(t, Config{Seed: 1}), open(t, Config{Seed: 1})
	first := sizes(a, 5)
	assert.Equal(t, first, sizes(b, 5))
	assert.NotEqual(t, first, sizes(b, 5), "the second stream of this CQ")
	assert.NotEqual(t, first, sizes(open(t, Config{Seed: 2}), 5))
	assert.NotEqual(t, first, sizes(open(t, Config{Seed: 1}), 6))
}
