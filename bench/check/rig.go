package check

import (
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/evdengine/evd/engine"
	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/cqtest"
)

// rigDepth is that of the CQs of the scenarios.
const rigDepth = 64

// rig is an EVD over a CQ, and what comes out of it.
type rig struct {
	t    *trial
	bed  *cqtest.Bed
	eng  *engine.Engine
	evd  *engine.EVD
	rng  *rand.Rand
	made uint64 // completions. Owner: the scenario
	got  tally
}

// rig opens a CQ and puts an EVD over it. No watchdog helps out, unless ec has one.
func (t *trial) rig(ec engine.Config, c func(r *rig) engine.EVDConfig) *rig {
	bed, err := t.open(rigDepth)
	t.noErr("opening the CQ", err)
	return t.rigOver(bed, ec, c)
}

func (t *trial) rigOver(bed *cqtest.Bed, ec engine.Config, c func(r *rig) engine.EVDConfig) *rig {
	t.rigs++
	r := &rig{t: t, bed: bed, rng: rand.New(rand.NewPCG(t.cfg.Seed, t.rigs)), got: tally{t: t}}
	if ec.Watchdog == 0 {
		ec.Watchdog = engine.NoWatchdog
	}
	var err error
	if r.eng, err = engine.New(ec); err != nil {
		t.errorf("an engine: %v", err)
		r.close()
		panic(stop{})
	}
	cfg := c(r)
	cfg.CQs = append([]hwcq.CQ{bed.CQ}, cfg.CQs...)
	if cfg.Leftovers == nil {
		cfg.Leftovers = r.got.take
	}
	if r.evd, err = r.eng.NewEVD(cfg); err != nil {
		t.errorf("an EVD: %v", err)
		r.close()
		panic(stop{})
	}
	return r
}

// close closes all of it. What does not return is given up.
func (r *rig) close() {
	done := make(chan error, 1)
	go func() {
		var errs []error
		if r.evd != nil {
			errs = append(errs, r.evd.Close())
		}
		if r.eng != nil {
			errs = append(errs, r.eng.Close())
		}
		done <- errors.Join(append(errs, closeBed(r.bed))...)
	}()
	select {
	case err := <-done:
		if err != nil {
			r.t.errorf("closing: %v", err)
		}
	case <-time.After(r.t.cfg.Patience):
		r.t.errorf("closing does not return")
	}
}

// complete makes k more completions, once there is room for them.
func (r *rig) complete(k int) {
	depth := min(rigDepth, r.bed.CQ.Capabilities().Depth)
	r.t.until("events come out, so that there is room for more", func() bool {
		return r.made-r.got.count() <= uint64(depth/2-k)
	})
	ids := make([]uint64, k)
	for i := range ids {
		r.made++
		ids[i] = r.made
	}
	r.t.noErr("making completions", r.bed.Complete(ids...))
}

// feed makes n completions in bursts, with pauses in which the engine goes to sleep,
// and waits until all have come out.
func (r *rig) feed(n int) {
	for left := n; left > 0; {
		k := min(left, 1+r.rng.IntN(8))
		r.complete(k)
		left -= k
		switch r.rng.IntN(16) {
		case 0:
			time.Sleep(time.Duration(r.rng.IntN(200)) * time.Microsecond)
		case 1, 2, 3:
			spin(time.Duration(r.rng.IntN(20)) * time.Microsecond)
		}
	}
	r.settle()
	r.t.rounds += uint64(n)
}

// settle waits until all that was made has come out.
func (r *rig) settle() {
	r.t.until("every completion comes out", func() bool { return r.got.count() >= r.made })
}

// tally is what has come out of an EVD: the numbers from 1 on.
type tally struct {
	t    *trial
	n    atomic.Uint64 // how many. Writer: who has mu. Readers: who waits for them
	mu   sync.Mutex
	any  bool            // the order is not promised
	seen map[uint64]bool // guarded by mu; of any
}

func (g *tally) count() uint64 { return g.n.Load() }

// take notes events. From any goroutine, also from several at once if the order is
// not promised.
func (g *tally) take(evs []engine.Event) {
	g.mu.Lock()
	defer g.mu.Unlock()
	n := g.n.Load()
	for i := range evs {
		id := evs[i].WRID
		n++
		switch {
		case !g.any && id != n:
			g.t.errorf("completion %d came, %d was next", id, n)
		case g.any && g.seen[id]:
			g.t.errorf("completion %d came twice", id)
		case g.any:
			if g.seen == nil {
				g.seen = map[uint64]bool{}
			}
			g.seen[id] = true
		}
	}
	g.n.Store(n)
}

// poll takes from the CQ what the EVD has left there. Only once it is closed.
func (r *rig) poll(into []engine.Event) []engine.Event {
	wcs := make([]hwcq.WC, 16)
	for _, wc := range wcs[:r.bed.CQ.Poll(wcs)] {
		into = append(into, engine.Event{WRID: wc.WRID})
	}
	return into
}
