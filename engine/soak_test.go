package engine

import (
	"errors"
	"os"
	"runtime"
	"strconv"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/mock"
)

// iser is the consumer of the 2005 discussion: the upcall disables upcalls and
// hands over to a thread, which dequeues until nothing is left and enables
// upcalls again; while that is refused, it goes on dequeuing. What it counts it
// counts at the edges: what producers were told is accepted, and what was seen.
type iser struct {
	t    *testing.T
	d    *EVD
	last [3]uint64 // owner: the upcall or the thread, never both
	seen uint64    // owner: as last
	work chan struct{}

	refused, enabled uint64
}

func (c *iser) see(evs []Event) {
	for i := range evs {
		p, seq := evs[i].WRID>>56, evs[i].WRID<<8>>8
		if seq != c.last[p]+1 {
			c.t.Errorf("producer %d: %d after %d", p, seq, c.last[p])
		}
		c.last[p] = seq
		c.seen++
	}
}

func (c *iser) upcall(u *Upcall) {
	if err := u.ModifyUpcall(Disable, Same); err != nil {
		c.t.Errorf("disable: %v", err)
	}
	c.see(u.Events())
	c.work <- struct{}{} // there is room: exactly one upcall between two enables
}

func (c *iser) thread(total uint64) {
	buf := make([]Event, 32)
	for range c.work {
		for {
			n, err := c.d.Dequeue(buf)
			c.see(buf[:n])
			if n > 0 {
				continue
			}
			if err != nil { // ErrBusy: in flight
				runtime.Gosched()
				continue
			}
			if c.seen == total {
				return
			}
			err = c.d.ModifyUpcall(SingleInstance, Same)
			if err == nil {
				c.enabled++
				break
			}
			if !errors.Is(err, ErrEventsPending) {
				c.t.Errorf("enable: %v", err)
				return
			}
			c.refused++
		}
	}
}

// TestISERSoak runs the pattern with two posters and a CQ, on one, two and four
// Ps. EVD_SOAK is the number of events of each run; make soak sets it to 100
// million.
func TestISERSoak(t *testing.T) {
	total := uint64(1_500_000)
	if s := os.Getenv("EVD_SOAK"); s != "" {
		var err error
		total, err = strconv.ParseUint(s, 10, 48)
		require.NoError(t, err)
	}
	for _, procs := range []int{1, 2, 4} {
		for _, mode := range []Mode{ModeEvent, ModeAdaptive} {
			t.Run(strconv.Itoa(procs)+"/"+mode.String(), func(t *testing.T) {
				defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
				iserSoak(t, mode, total)
			})
		}
	}
}

func iserSoak(t *testing.T, mode Mode, total uint64) {
	e := newTestEngine(t, Config{Workers: 1})
	cq := newTestCQ(t, mock.Config{Depth: 1024})
	c := &iser{t: t, work: make(chan struct{}, 1)}
	left := 0
	d, err := e.NewEVD(EVDConfig{
		CQs: []hwcq.CQ{cq}, Streams: DTO | Software, Mode: mode, Capacity: 512,
		Upcall: c.upcall, Leftovers: func(evs []Event) { left += len(evs) },
	})
	require.NoError(t, err)
	c.d = d
	require.NoError(t, d.ModifyUpcall(SingleInstance, Same))
	each := total / 3
	total = 3 * each
	var wg sync.WaitGroup
	for p := range uint64(2) {
		wg.Go(func() {
			for seq := uint64(1); seq <= each; {
				switch err := d.Post(Event{WRID: p<<56 | seq}); {
				case err == nil:
					if seq++; seq%64 == 0 { // let it run dry: the edges are what this is about
						for !d.ring.Idle() {
							runtime.Gosched()
						}
					}
				case errors.Is(err, ErrFull):
					runtime.Gosched()
				default:
					t.Errorf("post: %v", err)
					return
				}
			}
		})
	}
	wg.Go(func() { hardwareSoak(d, cq, 2, each) })
	c.thread(total)
	wg.Wait()
	require.NoError(t, d.Close())
	st := d.Stats()
	require.Equal(t, total, c.seen)
	require.Equal(t, [3]uint64{each, each, each}, c.last)
	require.Zero(t, left)
	require.Equal(t, total, st.Posted+st.Polled)
	require.Equal(t, total, st.Delivered+st.Dequeued)
	t.Logf("%d events, %d upcalls, enabled %d times, refused %d times, %d arms, %d lost interrupts", total, st.Upcalls, c.enabled, c.refused, st.Arms, st.LostInterrupts)
}

// hardwareSoak stores completions as they find room.
func hardwareSoak(d *EVD, cq *mock.CQ, p, each uint64) {
	batch := make([]hwcq.WC, 16)
	depth := uint64(cq.Capabilities().Depth)
	for seq := uint64(1); seq <= each; {
		n := min(depth-(seq-1-d.stats.polled.Load()), uint64(len(batch)), each-seq+1)
		if n == 0 {
			runtime.Gosched()
			continue
		}
		for i := range n {
			batch[i].WRID = p<<56 | (seq + i)
		}
		if _, err := cq.CompleteN(batch[:n], false); err != nil {
			panic(err)
		}
		seq += n
	}
}
