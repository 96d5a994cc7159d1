package engine

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/mock"
	"github.com/evdengine/evd/internal/atom"
)

// Many EVDs, waiters whose contexts end at random, EVDs that come and go: every
// event is dequeued exactly once, and nobody waits for one in vain.
func TestCNOStress(t *testing.T) {
	const evds, waiters, posters, withCQ = 64, 8, 4, 8
	each := 10_000
	if testing.Short() {
		each = 2_000
	}
	e := newTestEngine(t, Config{})
	cnos := []*CNO{newTestCNO(t, e, CNOConfig{}), newTestCNO(t, e, CNOConfig{Priority: true})}
	var ds []*EVD
	var cqs []*mock.CQ
	for i := range evds {
		cfg := EVDConfig{CNO: cnos[i%2], Capacity: 64, Streams: Software}
		if i < withCQ {
			cq := newTestCQ(t, mock.Config{Depth: 4096})
			cqs = append(cqs, cq)
			cfg.CQs, cfg.Streams = []hwcq.CQ{cq}, DTO|Software
			cfg.Mode, cfg.Dispatch = Mode(i%2), Dispatch(i/2%3)
		}
		d, err := e.NewEVD(cfg)
		require.NoError(t, err)
		ds = append(ds, d)
	}
	var got, accepted, givenUp atom.Uint64
	seen := make([]atom.Uint32, posters*each)
	take := func(d *EVD, buf []Event) {
		n, err := d.Dequeue(buf)
		if err != nil && !errors.Is(err, ErrBusy) {
			t.Error(err)
		}
		for _, ev := range buf[:n] {
			if seen[ev.WRID].Add(1) > 1 {
				t.Errorf("event %d twice", ev.WRID)
			}
		}
		got.Add(uint64(n))
	}
	all, end := context.WithCancel(context.Background())
	var consumers, producers sync.WaitGroup
	for i := range waiters {
		w := newTestWaiter(t, cnos[i%2])
		consumers.Go(func() {
			rnd := rand.New(rand.NewPCG(1, uint64(i)))
			buf := make([]Event, 3)
			for all.Err() == nil {
				ctx, cancel := context.WithCancel(all)
				if rnd.IntN(4) == 0 {
					go cancel()
				}
				d, err := w.Wait(ctx)
				cancel()
				switch {
				case err != nil && !errors.Is(err, context.Canceled):
					t.Error(err)
				case err != nil:
					givenUp.Add(1)
				default:
					take(d, buf[:1+rnd.IntN(3)]) // less than there is, mostly
					if rnd.IntN(4) == 0 {
						if err := w.Done(d); err != nil && !errors.Is(err, ErrNotOwner) {
							t.Error(err)
						}
					}
				}
			}
			if err := w.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	for p := range posters {
		producers.Go(func() {
			rnd := rand.New(rand.NewPCG(2, uint64(p)))
			for i := range each {
				id := uint64(p*each + i)
				if k := rnd.IntN(evds); k < withCQ && rnd.IntN(2) == 0 {
					if ok, err := cqs[k].Complete(hwcq.WC{WRID: id}, false); !ok {
						t.Errorf("event %d is not stored: %v", id, err)
					}
				} else {
					for ds[k].Post(Event{WRID: id}) != nil {
						atom.Spin()
					}
				}
				accepted.Add(1)
			}
		})
	}
	producers.Go(func() { // one who moves EVDs about
		rnd := rand.New(rand.NewPCG(3, 3))
		for range each / 4 {
			d := ds[rnd.IntN(evds)]
			if rnd.IntN(2) == 0 {
				if err := d.ModifyCNO(nil); err != nil {
					t.Error(err)
				}
			}
			if err := d.ModifyCNO(cnos[rnd.IntN(2)]); err != nil {
				t.Error(err)
			}
		}
	})
	producers.Wait()
	waitFor(t, func() bool { return got.Load() == uint64(posters*each) })
	end()
	consumers.Wait()
	require.EqualValues(t, posters*each, accepted.Load())
	for _, d := range ds {
		require.Zero(t, d.Query().Pending)
		require.Zero(t, d.load().run())
		require.NoError(t, d.Close())
	}
	for _, c := range cnos {
		require.Equal(t, CNOQuery{Name: c.Name()}, c.Query())
		require.NoError(t, c.Close())
	}
	t.Logf("%d events, %d waits given up", got.Load(), givenUp.Load())
}
