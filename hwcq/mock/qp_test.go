package mock

import (
	"math"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/hwcq"
)

func newQP(tb testing.TB, c *CQ, cfg QPConfig) *QP {
	tb.Helper()
	q, err := c.NewQP(cfg)
	require.NoError(tb, err)
	return q
}

// pollN polls until it has n completions.
func pollN(c *CQ, n int) []hwcq.WC {
	out := make([]hwcq.WC, n)
	for got := 0; got < n; {
		k := c.Poll(out[got:])
		if got += k; k == 0 {
			runtime.Gosched()
		}
	}
	return out
}

// devices are the kinds of QP that must behave alike.
var devices = []struct {
	name string
	cfg  QPConfig
}{
	{"inline", QPConfig{Inline: true}},
	{"at once", QPConfig{}},
	{"at once, parking", QPConfig{IdleSpins: NeverSpin}},
	{"at once, one by one", QPConfig{Batch: 1}},
	{"const", QPConfig{Service: Const(time.Microsecond)}},
	{"random", QPConfig{Service: Exp(5 * time.Microsecond), IdleSpins: 1}},
	{"pipelined", QPConfig{Service: Uniform(0, 20*time.Microsecond), Pipelined: true}},
}

func TestQPLoopsBack(t *testing.T) {
	for _, d := range devices {
		t.Run(d.name, func(t *testing.T) {
			c := open(t, Config{Depth: 64})
			d.cfg.QPNum = 17
			q := newQP(t, c, d.cfg)
			next := uint64(0)
			for round := range 20 {
				n := 1 + round*3
				for i := range uint64(n) {
					require.NoError(t, q.Submit(WR{
						WRID: next + i, Opcode: hwcq.OpRDMARead, ByteLen: 64, Imm: 5, Flags: hwcq.FlagWithImm,
					}))
				}
				for _, wc := range pollN(c, n) {
					require.Equal(t, hwcq.WC{
						WRID: next, Opcode: hwcq.OpRDMARead, ByteLen: 64, Imm: 5, Flags: hwcq.FlagWithImm,
						QPNum: 17, SrcQP: 17, Port: 1,
					}, wc)
					next++
				}
			}
			assert.False(t, c.Pending())
		})
	}
}

func TestQPFailedRequest(t *testing.T) {
	for _, d := range devices[:2] {
		c := open(t, Config{})
		d.cfg.QPNum = 3
		q := newQP(t, c, d.cfg)
		require.NoError(t, q.Submit(WR{WRID: 9, Opcode: hwcq.OpRecv, ByteLen: 8, Status: hwcq.StatusRemOpErr}))
		assert.Equal(t, hwcq.WC{WRID: 9, Status: hwcq.StatusRemOpErr, QPNum: 3}, pollN(c, 1)[0], d.name)
	}
}

func TestQPSolicited(t *testing.T) {
	for _, d := range devices[:2] {
		c := open(t, Config{})
		q := newQP(t, c, d.cfg)
		_, err := c.Arm(true)
		require.NoError(t, err)
		require.NoError(t, q.Submit(WR{}))
		pollN(c, 1)
		assert.Zero(t, c.Stats().EventsRaised, d.name)
		require.NoError(t, q.Submit(WR{Solicited: true}))
		event, err := c.Events().Wait()
		require.NoError(t, err)
		assert.True(t, event, d.name)
	}
}

func TestSubmitN(t *testing.T) {
	for _, d := range devices {
		t.Run(d.name, func(t *testing.T) {
			c := open(t, Config{Depth: 16})
			q := newQP(t, c, d.cfg)
			n, err := q.SubmitN(nil)
			require.NoError(t, err)
			assert.Zero(t, n)
			wrs := make([]WR, 16)
			for i := range wrs {
				wrs[i].WRID = uint64(i)
			}
			for range 3 {
				n, err = q.SubmitN(wrs)
				require.NoError(t, err)
				require.Equal(t, 16, n)
				for i, wc := range pollN(c, 16) {
					require.EqualValues(t, i, wc.WRID)
				}
			}
		})
	}
}

// A device that is stopped from completing fills up exactly.
func TestQPFull(t *testing.T) {
	gate := make(chan struct{})
	taken := make(chan struct{}, 16)
	c := open(t, Config{})
	q := newQP(t, c, QPConfig{Depth: 4, Batch: 1, Fill: func(*hwcq.WC) { taken <- struct{}{}; <-gate }})
	require.NoError(t, q.Submit(WR{WRID: 0}))
	<-taken // by the device, which still counts it
	n, err := q.SubmitN([]WR{{WRID: 1}, {WRID: 2}, {WRID: 3}, {WRID: 4}, {WRID: 5}})
	assert.ErrorIs(t, err, hwcq.ErrFull)
	assert.Equal(t, 3, n)
	assert.ErrorIs(t, q.Submit(WR{}), hwcq.ErrFull)
	n, err = q.SubmitN(make([]WR, 2))
	assert.ErrorIs(t, err, hwcq.ErrFull)
	assert.Zero(t, n)
	close(gate)
	for i, wc := range pollN(c, 4) {
		assert.EqualValues(t, i, wc.WRID)
	}
	require.NoError(t, q.Submit(WR{WRID: 4}), "who has the completion has the room")
	pollN(c, 1)
}

func TestInlineQPFull(t *testing.T) {
	c := open(t, Config{Depth: 2})
	q := newQP(t, c, QPConfig{Inline: true})
	n, err := q.SubmitN(make([]WR, 3))
	assert.ErrorIs(t, err, hwcq.ErrFull)
	assert.Equal(t, 2, n)
	assert.Zero(t, c.Overruns())
	lossy := newQP(t, c, QPConfig{Inline: true, Overrun: true})
	require.NoError(t, lossy.Submit(WR{}))
	assert.EqualValues(t, 1, c.Overruns())
	require.NoError(t, q.Close())
	pollN(c, 2)
	assert.ErrorIs(t, q.Submit(WR{}), hwcq.ErrClosed)
	require.NoError(t, lossy.Submit(WR{}), "the other QP lives on")
}

// By default a device waits for room in the CQ; with Overrun it loses.
func TestQPAndFullCQ(t *testing.T) {
	c := open(t, Config{Depth: 2})
	q := newQP(t, c, QPConfig{Depth: 16})
	for i := range uint64(9) {
		require.NoError(t, q.Submit(WR{WRID: i}))
	}
	for q.Stalls() == 0 {
		runtime.Gosched()
	}
	for i, wc := range pollN(c, 9) {
		assert.EqualValues(t, i, wc.WRID)
	}
	assert.Zero(t, c.Overruns())
	require.NoError(t, q.Close())

	q = newQP(t, c, QPConfig{Depth: 16, Overrun: true})
	for i := range uint64(9) {
		require.NoError(t, q.Submit(WR{WRID: i}))
	}
	for c.Overruns() < 7 {
		runtime.Gosched()
	}
	assert.EqualValues(t, 0, pollN(c, 1)[0].WRID)
	assert.EqualValues(t, 1, pollN(c, 1)[0].WRID)
	assert.EqualValues(t, 7, c.Overruns())
}

// Whatever waits for room gives up when the CQ is in error.
func TestQPAndCQInError(t *testing.T) {
	c := open(t, Config{Depth: 1, FatalOverrun: true})
	q := newQP(t, c, QPConfig{})
	inline := newQP(t, c, QPConfig{Inline: true})
	_, err := c.CompleteN(make([]hwcq.WC, 2), false)
	require.NoError(t, err)
	require.NoError(t, q.Submit(WR{}))
	for c.Overruns() < 2 {
		runtime.Gosched()
	}
	require.NoError(t, q.Close())
	assert.Zero(t, q.Stalls(), "it did not wait")
	require.NoError(t, inline.Submit(WR{}))
	assert.EqualValues(t, 3, c.Overruns())
}

// A serial device takes the sum of the service times, a pipelined one not
// less than the longest. Only lower bounds: they hold on any machine.
func TestQPServiceTime(t *testing.T) {
	const service, n = 3 * time.Millisecond, 4
	for _, pipelined := range []bool{false, true} {
		c := open(t, Config{})
		q := newQP(t, c, QPConfig{Service: Const(service), Pipelined: pipelined})
		began := time.Now()
		for range n {
			require.NoError(t, q.Submit(WR{}))
		}
		pollN(c, n)
		least := service
		if !pipelined {
			least = n * service
		}
		assert.GreaterOrEqual(t, time.Since(began), least)
	}
}

// A pipelined device that sleeps towards one request begins the next ones
// when they come. By the device's own account: due times are one service
// time after the beginning, not after the due time before.
func TestPipelinedBeginsWhileAsleep(t *testing.T) {
	c := open(t, Config{})
	q := newQP(t, c, QPConfig{Service: Script(time.Hour, 0), Pipelined: true})
	require.NoError(t, q.Submit(WR{}))
	for q.parked.Load() == 0 {
		runtime.Gosched()
	}
	require.NoError(t, q.Submit(WR{}))
	for i := 0; q.parked.Load() == 0 || i < 2; i++ {
		runtime.Gosched()
	}
	require.NoError(t, q.Close())
	assert.EqualValues(t, 2, q.dev.seen)
	assert.Equal(t, q.dev.due[0], q.dev.due[1], "not before the one before")
	assert.False(t, c.Pending())
}

func TestQPCloseDropsAndLeavesTheOthers(t *testing.T) {
	c := open(t, Config{})
	slow := newQP(t, c, QPConfig{QPNum: 1, Service: Const(time.Hour)})
	fast := newQP(t, c, QPConfig{QPNum: 2})
	require.NoError(t, slow.Submit(WR{}))
	for range 2 {
		require.NoError(t, slow.Close())
	}
	assert.ErrorIs(t, slow.Submit(WR{}), hwcq.ErrClosed)
	require.NoError(t, fast.Submit(WR{}))
	assert.EqualValues(t, 2, pollN(c, 1)[0].QPNum)
	assert.False(t, c.Pending())
	assert.Len(t, c.workers, 1)
}

func TestQPFill(t *testing.T) {
	c := open(t, Config{})
	q := newQP(t, c, QPConfig{Fill: func(wc *hwcq.WC) { wc.Imm = uint32(wc.WRID) * 2 }})
	for i := range uint64(10) {
		require.NoError(t, q.Submit(WR{WRID: i}))
	}
	for i, wc := range pollN(c, 10) {
		assert.EqualValues(t, i, wc.WRID)
		assert.EqualValues(t, 2*i, wc.Imm)
	}
}

// idleQP is a QP without its goroutine: the test plays that.
func idleQP(c *CQ, cfg QPConfig, start uint32) *QP {
	q := &QP{cq: c, cfg: cfg, sq: make([]WR, cfg.Depth), mask: uint32(cfg.Depth - 1), worker: newWorker()}
	q.sub.start(start)
	q.prod.Store(start)
	q.cons.Store(start)
	q.dev.init(cfg, uint32(cfg.Depth), 0, 0)
	q.dev.seen, q.dev.cons = start, start
	return q
}

// When requests are due: two that are seen at 100, two more at 110.
func TestQPDue(t *testing.T) {
	for _, tc := range []struct {
		name      string
		pipelined bool
		service   []time.Duration
		want      []time.Duration
	}{
		{"serial", false, []time.Duration{7}, []time.Duration{107, 114, 121, 128}},
		{"serial, idle between", false, []time.Duration{2}, []time.Duration{102, 104, 112, 114}},
		{"pipelined", true, []time.Duration{7}, []time.Duration{107, 107, 117, 117}},
		{"pipelined, in order all the same", true, []time.Duration{30, 5, 1, 25}, []time.Duration{130, 130, 130, 135}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := open(t, Config{})
			cfg := QPConfig{Depth: 4, Batch: 4, Pipelined: tc.pipelined, Service: Script(tc.service...)}
			q := idleQP(c, cfg, math.MaxUint32-1)
			var got []time.Duration
			for _, now := range []time.Duration{100, 110} {
				first := q.dev.seen
				_, err := q.SubmitN(make([]WR, 2))
				require.NoError(t, err)
				q.begin(now)
				got = append(got, q.dev.due[first&q.mask], q.dev.due[(first+1)&q.mask])
			}
			assert.Equal(t, tc.want, got)
		})
	}
}

// The submission ring wraps at 2^32 as the CQ does.
func TestQPIndexWrap(t *testing.T) {
	c := open(t, Config{Depth: 8, FirstIndex: math.MaxUint32 - 3})
	q := idleQP(c, QPConfig{Depth: 4, Batch: 2}, math.MaxUint32-1)
	next := uint64(0)
	for range 4 {
		for i := range uint64(4) {
			require.NoError(t, q.Submit(WR{WRID: next + i}))
		}
		require.ErrorIs(t, q.Submit(WR{}), hwcq.ErrFull)
		for range 2 {
			_, did := q.step()
			require.True(t, did)
		}
		_, did := q.step()
		require.False(t, did)
		for _, wc := range pollN(c, 4) {
			require.Equal(t, next, wc.WRID)
			next++
		}
	}
}

// Many submitters, each with a window, one device that parks at once, one
// poller that sleeps on events: the whole loop, and every wake-up in it.
func TestQPManySubmitters(t *testing.T) {
	for _, idle := range []int{NeverSpin, 1, 0} {
		const submitters, each, window = 4, 3000, 8
		c := open(t, Config{Depth: 64})
		q := newQP(t, c, QPConfig{Depth: 16, IdleSpins: idle, Batch: 5})
		var credits [submitters]chan struct{}
		var wg sync.WaitGroup
		for s := range submitters {
			credits[s] = make(chan struct{}, window)
			wg.Go(func() {
				for i := range uint64(each) {
					credits[s] <- struct{}{}
					for q.Submit(WR{WRID: uint64(s)<<32 | i}) != nil { // full
						runtime.Gosched()
					}
				}
			})
		}
		var seen [submitters]uint64
		out := make([]hwcq.WC, 7)
		for got := 0; got < submitters*each; {
			missed, err := c.Arm(false)
			require.NoError(t, err)
			if n := drain(c, out, func(wc *hwcq.WC) {
				s := wc.WRID >> 32
				require.Equal(t, seen[s], wc.WRID&math.MaxUint32)
				seen[s]++
				<-credits[s]
			}); n > 0 || missed {
				got += n
				continue
			}
			_, err = c.Events().Wait()
			require.NoError(t, err)
		}
		wg.Wait()
		assert.Zero(t, c.Overruns())
	}
}

// drain polls until the CQ is empty.
func drain(c *CQ, out []hwcq.WC, f func(wc *hwcq.WC)) (total int) {
	for {
		n := c.Poll(out)
		if n == 0 {
			return total
		}
		for i := range out[:n] {
			f(&out[i])
		}
		total += n
	}
}
