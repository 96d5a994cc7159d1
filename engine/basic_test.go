package engine

import (
	"runtime"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPostDispatch(t *testing.T) {
	for _, disp := range []Dispatch{DispatchQueued, DispatchInline} {
		t.Run(disp.String(), func(t *testing.T) {
			e, err := New(Config{})
			require.NoError(t, err)
			var mu sync.Mutex
			next := map[uint64]uint64{}
			got := 0
			d, err := e.NewEVD(EVDConfig{
				Dispatch: disp, Policy: SingleInstance, Capacity: 64,
				Upcall: func(u *Upcall) {
					mu.Lock()
					defer mu.Unlock()
					for i := range u.Events() {
						ev := &u.Events()[i]
						p, n := ev.WRID>>32, ev.WRID&0xffffffff
						if next[p] != n {
							t.Errorf("poster %d: got %d, want %d", p, n, next[p])
						}
						next[p]++
						got++
					}
				},
			})
			require.NoError(t, err)
			var wg sync.WaitGroup
			const posters, each = 4, 20000
			for p := range uint64(posters) {
				wg.Go(func() {
					for i := uint64(0); i < each; {
						err := d.Post(Event{WRID: p<<32 | i})
						if err == nil {
							i++
							continue
						}
						runtime.Gosched()
						if err != ErrFull {
							t.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			require.NoError(t, d.Close())
			st := d.Stats()
			require.EqualValues(t, posters*each, st.Posted)
			require.EqualValues(t, posters*each, st.Delivered+st.Leftover)
			require.NoError(t, e.Close())
			t.Logf("%+v", st)
		})
	}
}
