package engine

import (
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/mock"
	"github.com/evdengine/evd/internal/atom"
)

// Posters, completions and resizes at random: everything comes out once, each
// producer's in order.
func TestResizeSoak(t *testing.T) {
	const posters, each = 3, 4000
	for _, disp := range []Dispatch{DispatchInline, DispatchQueued} {
		t.Run(disp.String(), func(t *testing.T) {
			cq := newTestCQ(t, mock.Config{Depth: 256})
			e := newTestEngine(t, Config{Workers: 2})
			var last [posters + 1]uint64 // owner: the upcall
			var got atom.Counter
			d, err := e.NewEVD(EVDConfig{
				CQs: []hwcq.CQ{cq}, Streams: DTO | Software, Mode: ModeAdaptive, Dispatch: disp, Policy: SingleInstance, Capacity: 4, Batch: 8,
				Upcall: func(u *Upcall) {
					for _, ev := range u.Events() {
						by, n := ev.WRID>>32, ev.WRID&(1<<32-1)
						if n != last[by]+1 {
							t.Errorf("producer %d: %d after %d", by, n, last[by])
						}
						last[by] = n
					}
					got.Add(uint64(len(u.Events())))
				},
			})
			require.NoError(t, err)
			var wg sync.WaitGroup
			for by := range uint64(posters) {
				wg.Go(func() {
					for n := uint64(1); n <= each && !t.Failed(); {
						if d.Post(Event{WRID: by<<32 | n}) == nil {
							n++
						} else {
							atom.Spin()
						}
					}
				})
			}
			wg.Go(func() {
				for n := uint64(1); n <= each && !t.Failed(); {
					if ok, _ := cq.Complete(hwcq.WC{WRID: posters<<32 | n}, false); ok {
						n++
					} else {
						atom.Spin()
					}
				}
			})
			var stop atom.Bool
			var resizer sync.WaitGroup
			up, down, refused := 0, 0, 0
			resizer.Go(func() {
				g := rand.New(rand.NewPCG(5, 47))
				for !stop.Load() || up == 0 || down == 0 {
					was, n := d.Capacity(), 1+g.IntN(64)
					switch err := d.Resize(n); {
					case err != nil:
						if refused++; n > was {
							t.Errorf("from %d to %d: %v", was, n, err)
						}
					case n > was:
						up++
					default:
						down++
					}
					atom.Spin()
				}
			})
			wg.Wait()
			waitFor(t, func() bool { return got.Load() == (posters+1)*each })
			stop.Store(true)
			resizer.Wait()
			require.NoError(t, d.Close())
			st := d.Stats()
			require.Equal(t, st.Posted+st.Polled, st.Delivered)
			require.Zero(t, st.Leftover)
			require.Positive(t, up)
			require.Positive(t, down)
			t.Logf("%d times larger, %d smaller, %d refused", up, down, refused)
		})
	}
}
