package engine

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// What the first upcall of a direct hand-off posts is delivered by the end of it, in
// order and once, whatever the upcall does that gets it: one event, which leaves nothing,
// and more than an upcall gets.
func TestDrain(t *testing.T) {
	for name, act := range map[string]func(t *testing.T, u *Upcall, d *EVD){
		"nothing": func(*testing.T, *Upcall, *EVD) {},
		"panic":   func(*testing.T, *Upcall, *EVD) { panic("as asked") },
		"exit":    func(*testing.T, *Upcall, *EVD) { runtime.Goexit() },
		"grow":    func(t *testing.T, _ *Upcall, d *EVD) { require.NoError(t, d.Resize(64)) },
		"shrink":  func(t *testing.T, _ *Upcall, d *EVD) { _ = d.Resize(2) }, // may be refused, for what is in it
		"disable": func(t *testing.T, u *Upcall, _ *EVD) { require.NoError(t, u.ModifyUpcall(Disable, Same)) },
		"many":    func(t *testing.T, u *Upcall, _ *EVD) { require.NoError(t, u.ModifyUpcall(ManyLimit(4), Same)) },
	} {
		for _, inside := range []uint64{1, 5} {
			t.Run(name, func(t *testing.T) {
				e := newTestEngine(t, Config{})
				var d *EVD
				var mu sync.Mutex // with many upcalls at once
				var got []uint64
				upcalls := 0
				d, err := e.NewEVD(EVDConfig{
					Capacity: 4, Batch: 2, Policy: SingleInstance, Dispatch: DispatchInline,
					Overflow: OverflowSpill, SpillLimit: 8,
					Upcall: func(u *Upcall) {
						mu.Lock()
						for _, ev := range u.Events() {
							got = append(got, ev.WRID)
						}
						upcalls++
						turn := upcalls
						mu.Unlock()
						switch turn {
						case 1:
							for i := range inside {
								post := d.Post // as one who does not know that he is inside
								if i%2 == 0 {
									post = u.Post
								}
								require.NoError(t, post(Event{WRID: i + 1}))
							}
						case 2:
							act(t, u, d)
						}
					},
				})
				require.NoError(t, err)
				var wg sync.WaitGroup
				wg.Go(func() { _ = d.Post(Event{}) })
				wg.Wait()
				waitFor(t, func() bool {
					if d.load().run() != 0 {
						return false
					}
					_ = d.ModifyUpcallAny(SingleInstance, Same)
					mu.Lock()
					defer mu.Unlock()
					return uint64(len(got)) == inside+1
				})
				mu.Lock()
				if name == "many" {
					slices.Sort(got)
				}
				for i, n := range got {
					require.EqualValues(t, i, n)
				}
				mu.Unlock()
				require.NoError(t, d.Post(Event{WRID: inside + 1})) // the slot is not lost
				waitFor(t, func() bool { return d.Stats().Delivered == inside+2 })
				st := d.Stats()
				require.Equal(t, st.Posted, st.Delivered)
				sum := uint64(0)
				for _, n := range st.Batches {
					sum += n
				}
				require.Equal(t, sum, st.Upcalls)
			})
		}
	}
}

// Closed inside: what has not been delivered is left over, in order.
func TestDrainClose(t *testing.T) {
	e := newTestEngine(t, Config{})
	var d *EVD
	var got []uint64
	keep := func(evs []Event) {
		for _, ev := range evs {
			got = append(got, ev.WRID)
		}
	}
	d, err := e.NewEVD(EVDConfig{
		Capacity: 8, Batch: 2, Policy: SingleInstance, Dispatch: DispatchInline, Leftovers: keep,
		Upcall: func(u *Upcall) {
			if keep(u.Events()); len(got) == 1 {
				for i := range uint64(5) {
					require.NoError(t, u.Post(Event{WRID: i + 1}))
				}
				return
			}
			over, cancel := context.WithCancel(context.Background())
			cancel()
			require.ErrorIs(t, d.CloseContext(over), context.Canceled)
			require.ErrorIs(t, u.Post(Event{}), ErrClosed)
		},
	})
	require.NoError(t, err)
	require.NoError(t, d.Post(Event{}))
	require.Len(t, got, 3, "no upcall begins once it is closed")
	require.NoError(t, d.Close())
	require.Equal(t, []uint64{0, 1, 2, 3, 4, 5}, got)
	st := d.Stats()
	require.EqualValues(t, 3, st.Delivered)
	require.EqualValues(t, 3, st.Leftover)
}

// An event that an upcall posts to its own EVD is delivered without an allocation.
func TestZeroAllocDrain(t *testing.T) {
	e := newTestEngine(t, Config{})
	n := 0
	d, err := e.NewEVD(EVDConfig{
		Capacity: 8, Policy: SingleInstance, Dispatch: DispatchInline,
		Upcall: func(u *Upcall) {
			if n++; u.Events()[0].WRID == 0 {
				_ = u.Post(Event{WRID: 1})
			}
		},
	})
	require.NoError(t, err)
	require.Zero(t, testing.AllocsPerRun(100, func() { _ = d.Post(Event{}) }))
	require.Equal(t, 2*101, n)
}
