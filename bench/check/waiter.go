package check

import (
	"context"
	"errors"
	"time"

	"github.com/evdengine/evd/engine"
)

// Of a waiter that must not be woken it is waited this long whether it is.
const notWoken = 2 * time.Millisecond

func waiter(t *trial) {
	for _, mode := range []engine.WaitMode{engine.WaitPark, engine.WaitAdaptive} {
		func() {
			r := t.rig(engine.Config{}, func(*rig) engine.EVDConfig { return engine.EVDConfig{WaitMode: mode} })
			defer r.close()
			for round := range t.scaled(200) {
				r.waitOnce(1+r.rng.IntN(8), round%20 == 0, round%8 == 0)
				t.rounds++
			}
		}()
	}
}

// waitOnce waits for threshold events, which come one by one. With tooFew it first
// waits in vain, for one more than there are; with asleep they come when the waiter
// sleeps, if it does within a while.
func (r *rig) waitOnce(threshold int, tooFew, asleep bool) {
	t := r.t
	dst := make([]engine.Event, 16)
	if tooFew {
		r.complete(1)
		ctx, cancel := context.WithTimeout(t.ctx, notWoken)
		n, _, err := r.evd.Wait(ctx, threshold+1, dst)
		cancel()
		if n != 0 || !errors.Is(err, context.DeadlineExceeded) {
			t.fatalf("a wait for %d events of 1 returned %d, %v", threshold+1, n, err)
		}
	}
	have := int(r.made - r.got.count())
	made := make(chan error, 1)
	ids := make([]uint64, 0, threshold)
	for have+len(ids) < threshold {
		r.made++
		ids = append(ids, r.made)
	}
	parked := r.evd.Stats().Ends.Parked
	go func() {
		var err error
		for i := 0; asleep && len(ids) > 0 && i < 1000 && r.evd.Stats().Ends.Parked == parked; i++ {
			pause(i)
		}
		for _, id := range ids {
			err = errors.Join(err, r.bed.Complete(id))
		}
		made <- err
	}()
	ctx, cancel := context.WithTimeout(t.ctx, t.cfg.Patience)
	defer cancel()
	n, more, err := r.evd.Wait(ctx, threshold, dst)
	if cerr := <-made; cerr != nil {
		t.fatalf("making completions: %v", cerr)
	}
	switch {
	case t.ctx.Err() != nil:
		panic(stop{})
	case err != nil:
		t.fatalf("a wait for %d events that are there: %v", threshold, err)
	case ctx.Err() != nil: // events that are there win over the end of ctx
		t.fatalf("a wait for %d events that are there slept until its time was up", threshold)
	case n+more < threshold:
		t.fatalf("a wait for %d events returned with %d and %d more", threshold, n, more)
	}
	r.got.take(dst[:n])
	t.until("the rest can be dequeued", func() bool {
		n, _ := r.evd.Dequeue(dst)
		r.got.take(dst[:n])
		return r.got.count() == r.made
	})
}
