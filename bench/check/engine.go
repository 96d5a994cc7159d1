package check

import (
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"github.com/evdengine/evd/engine"
)

// scenario is one promise of the engine.
type scenario struct {
	name, promise, where string
	do                   func(*trial)
}

var engineScenarios = []scenario{
	{"engine/single", "with policy single, upcalls come one at a time, each event once and in order", "engine.SingleInstance", single},
	{"engine/many", "with policy many, several upcalls run at once, no more than were asked for, each event once", "engine.ManyLimit", many},
	{"engine/drain", "the pattern of iSER: after an upcall has disabled upcalls no other begins, and enabling is refused while an event is pending", "engine.EVD.ModifyUpcall", drain},
	{"engine/notify", "with policy notify, an upcall has no events, and comes again until all are dequeued", "engine.NotificationOnly", notify},
	{"engine/waiter", "a waiter with a threshold sleeps until there are as many events, and not longer", "engine.EVD.Wait", waiter},
	{"engine/posters", "software events posted beside completions come once each, in the order of their source", "engine.EVD.Post", posters},
	{"engine/close", "closing in the middle of everything loses nothing: an event comes out, is left over, or stays on the CQ", "engine.EVD.Close", closing},
	{"engine/hunt", "a completion that comes just when the poller goes to sleep wakes it: no wake-up is lost", "engine: arm, then look again, then sleep", hunt},
}

// scenarios are those for a CQ.
func scenarios(cfg Config) []scenario {
	if cfg.CQ == Mock {
		return slices.Concat(engineScenarios, faultScenarios)
	}
	return engineScenarios
}

// ways are those in which an EVD waits and runs upcalls.
var ways = []struct {
	mode      engine.Mode
	dispatch  engine.Dispatch
	exclusive bool
}{
	{engine.ModeEvent, engine.DispatchInline, false},
	{engine.ModeEvent, engine.DispatchQueued, false},
	{engine.ModeAdaptive, engine.DispatchInline, false},
	{engine.ModeAdaptive, engine.DispatchQueued, false},
	{engine.ModeSpin, engine.DispatchInline, false},
	{engine.ModeAdaptive, engine.DispatchInline, true},
}

// eachWay runs f once for each way.
func (t *trial) eachWay(f func(c engine.EVDConfig)) {
	for _, w := range ways {
		f(engine.EVDConfig{Mode: w.mode, Dispatch: w.dispatch, Exclusive: w.exclusive, Batch: 4})
	}
}

// loadRounds is how many completions a scenario makes in each way.
const loadRounds = 500

func single(t *trial) {
	t.eachWay(func(c engine.EVDConfig) {
		var running atomic.Int32 // Writers: upcalls. Readers: the same
		r := t.rig(engine.Config{}, func(r *rig) engine.EVDConfig {
			c.Policy = engine.SingleInstance
			c.Upcall = func(u *engine.Upcall) {
				if n := running.Add(1); n > 1 {
					t.errorf("%d upcalls at a time", n)
				}
				r.got.take(u.Events())
				running.Add(-1)
			}
			return c
		})
		defer r.close()
		r.feed(t.scaled(loadRounds))
	})
}

func many(t *trial) {
	const limit = 3
	for _, mode := range []engine.Mode{engine.ModeEvent, engine.ModeAdaptive} {
		var running atomic.Int32 // Writers: upcalls. Readers: the same
		var met atomic.Bool      // Writers: upcalls. Reader: the scenario
		func() {
			r := t.rig(engine.Config{Workers: limit}, func(r *rig) engine.EVDConfig {
				r.got.any = true
				return engine.EVDConfig{
					Mode: mode, Batch: 1, Policy: engine.ManyLimit(limit),
					Upcall: func(u *engine.Upcall) {
						switch n := running.Add(1); {
						case n > limit:
							t.errorf("%d upcalls at a time, and %d were asked for", n, limit)
						case n > 1:
							met.Store(true)
						}
						// The first ones wait for another, so that some meet.
						for i := 0; i < 2000 && !met.Load(); i++ {
							pause(i)
						}
						r.got.take(u.Events())
						running.Add(-1)
					},
				}
			})
			defer r.close()
			r.complete(2 * limit)
			r.settle()
			if !met.Load() {
				t.errorf("no two upcalls ran at once")
			}
			r.feed(t.scaled(2 * loadRounds))
		}()
	}
}

// drain: an upcall disables upcalls and says that there is work. The consumer
// dequeues until there is nothing, enables, and dequeues again if that is refused.
func drain(t *trial) {
	for _, dispatch := range []engine.Dispatch{engine.DispatchInline, engine.DispatchQueued} {
		for _, mode := range []engine.Mode{engine.ModeEvent, engine.ModeAdaptive} {
			drainWay(t, engine.EVDConfig{Mode: mode, Dispatch: dispatch, Batch: 2, Policy: engine.SingleInstance})
		}
	}
}

func drainWay(t *trial, c engine.EVDConfig) {
	var disabled atomic.Bool        // Writers: the upcall, and the consumer before it enables. Reader: the upcall
	work := make(chan struct{}, 16) // room to spare: an upcall must not block
	r := t.rig(engine.Config{}, func(r *rig) engine.EVDConfig {
		c.Upcall = func(u *engine.Upcall) {
			if disabled.Load() {
				t.errorf("an upcall began after one had disabled upcalls")
			}
			disabled.Store(true)
			if err := u.ModifyUpcall(engine.Disable, engine.Same); err != nil {
				t.errorf("disabling inside an upcall: %v", err)
			}
			r.got.take(u.Events())
			select {
			case work <- struct{}{}:
			default:
				t.errorf("upcalls come although they are disabled")
			}
		}
		return c
	})
	quit, over := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(over)
		var dst [4]engine.Event
		for {
			select {
			case <-quit:
				return
			case <-work:
			}
			if !r.drainOnce(dst[:], &disabled, quit) {
				return
			}
		}
	}()
	defer func() {
		close(quit)
		<-over
		r.close()
	}()
	r.feed(t.scaled(loadRounds))
}

// drainOnce dequeues until upcalls are enabled again.
func (r *rig) drainOnce(dst []engine.Event, disabled *atomic.Bool, quit chan struct{}) bool {
	for turn := 0; ; turn++ {
		select {
		case <-quit:
			return false
		default:
		}
		n, err := r.evd.Dequeue(dst)
		if n > 0 {
			r.got.take(dst[:n])
			turn = 0
			continue
		}
		if err != nil && !errors.Is(err, engine.ErrBusy) {
			r.t.errorf("dequeueing: %v", err)
			return false
		}
		disabled.Store(false) // before the next upcall can begin
		err = r.evd.ModifyUpcall(engine.SingleInstance, engine.Same)
		if err == nil {
			return true
		}
		disabled.Store(true)
		if !errors.Is(err, engine.ErrEventsPending) {
			r.t.errorf("enabling: %v", err)
			return false
		}
		pause(turn)
	}
}

func notify(t *trial) {
	for _, mode := range []engine.Mode{engine.ModeEvent, engine.ModeAdaptive} {
		func() {
			r := t.rig(engine.Config{}, func(r *rig) engine.EVDConfig {
				return engine.EVDConfig{Mode: mode, Policy: engine.NotificationOnly, Upcall: func(u *engine.Upcall) {
					if n := len(u.Events()); n > 0 {
						t.errorf("an upcall that only notifies got %d events", n)
					}
					// One batch a turn: the rest is told again.
					var dst [3]engine.Event
					n, err := u.Dequeue(dst[:])
					if err != nil && !errors.Is(err, engine.ErrBusy) {
						t.errorf("dequeueing in the upcall: %v", err)
					}
					r.got.take(dst[:n])
				}}
			})
			defer r.close()
			r.feed(t.scaled(2 * loadRounds))
		}()
	}
}

// software marks the numbers of software events.
const software = 1 << 32

func posters(t *trial) {
	posted := tally{t: t}
	r := t.rig(engine.Config{}, func(r *rig) engine.EVDConfig {
		take := func(evs []engine.Event) {
			for i := range evs {
				one := evs[i : i+1 : i+1]
				if one[0].WRID < software {
					r.got.take(one)
					continue
				}
				own := one[0]
				own.WRID -= software
				posted.take([]engine.Event{own})
			}
		}
		return engine.EVDConfig{
			Streams: engine.DTO | engine.Software, Policy: engine.SingleInstance, Leftovers: take,
			Upcall: func(u *engine.Upcall) { take(u.Events()) },
		}
	})
	defer r.close()
	total := uint64(t.scaled(10 * loadRounds))
	over := make(chan struct{})
	go func() {
		defer close(over)
		for n := uint64(1); n <= total && t.ctx.Err() == nil && !t.failed(); {
			switch err := r.evd.Post(engine.Event{WRID: software + n}); {
			case err == nil:
				n++
			case errors.Is(err, engine.ErrFull):
				pause(0)
			default:
				t.errorf("posting: %v", err)
			}
		}
	}()
	r.feed(t.scaled(2 * loadRounds))
	<-over
	t.until("every posted event comes out", func() bool { return posted.count() >= total })
	t.rounds += total
}

// closing closes an EVD while completions come, and then looks for all of them.
func closing(t *trial) {
	for round := range t.scaled(60) {
		closeOnce(t, round)
		t.rounds++
	}
}

func closeOnce(t *trial, round int) {
	way := ways[round%len(ways)]
	r := t.rig(engine.Config{}, func(r *rig) engine.EVDConfig {
		return engine.EVDConfig{
			Mode: way.mode, Dispatch: way.dispatch, Exclusive: way.exclusive, Batch: 2,
			Policy: engine.SingleInstance, Upcall: func(u *engine.Upcall) { r.got.take(u.Events()) },
		}
	})
	defer r.close()
	const total = rigDepth / 2
	made := make(chan error, 1)
	go func() {
		var err error
		for id := uint64(1); id <= total; id++ {
			err = errors.Join(err, r.bed.Complete(id))
		}
		made <- err
	}()
	spin(time.Duration(r.rng.IntN(50+5*round)) * time.Microsecond)
	closed := make(chan error, 1)
	go func() { closed <- r.evd.Close() }()
	var cerr error
	done := false
	t.until("Close returns", func() bool {
		select {
		case cerr = <-closed:
			done = true
		default:
		}
		return done
	})
	t.noErr("Close", cerr)
	t.noErr("making completions", <-made)
	// What was not taken is on the CQ still, and nobody else polls it now.
	dst := make([]engine.Event, 0, total)
	t.until("what is on the CQ can be polled", func() bool {
		dst = r.poll(dst[:0])
		r.got.take(dst)
		return r.got.count() >= total
	})
}

// hunt: one completion after another, each at a moment around the one in which the
// poller arms and goes to sleep.
func hunt(t *trial) {
	end := time.Now().Add(t.cfg.Duration)
	for i := 0; time.Now().Before(end); i++ {
		dispatch := []engine.Dispatch{engine.DispatchInline, engine.DispatchQueued}[i%2]
		func() {
			r := t.rig(engine.Config{SpinBudget: time.Microsecond}, func(r *rig) engine.EVDConfig {
				return engine.EVDConfig{
					Mode: []engine.Mode{engine.ModeEvent, engine.ModeAdaptive}[i/2%2], Dispatch: dispatch,
					Policy: engine.SingleInstance, Upcall: func(u *engine.Upcall) { r.got.take(u.Events()) },
				}
			})
			defer r.close()
			part := time.Now().Add(min(time.Until(end), t.cfg.Duration/8))
			for first := true; first || time.Now().Before(part); first = false { // once, however slow the host
				for range 50 {
					r.made++
					t.noErr("making a completion", r.bed.Complete(r.made))
					t.until("a completion wakes the poller", func() bool { return r.got.count() == r.made })
					spin(time.Duration(r.rng.IntN(12_000)))
					t.rounds++
				}
			}
		}()
	}
}
