package baseline

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/internal/spin"
)

type event struct {
	by, n uint64
	_     [40]byte
}

type dispatcher interface {
	Post(v *event) bool
	PostN(vs []event) int
}

func all(capacity, batch int, fn func([]event)) map[string]dispatcher {
	return map[string]dispatcher{
		"mutex-queue":  NewMutexQueue(capacity, batch, fn),
		"mutex-direct": NewMutexDirect(capacity, batch, fn),
		"spin-queue":   NewSpinFlagQueue(capacity, batch, fn),
	}
}

// Every event comes once, each poster's in order, one upcall at a time.
func TestOrder(t *testing.T) {
	const posters, each = 3, 5000
	for _, burst := range []int{1, 7} {
		var next [posters]uint64
		inside, most := 0, 0
		for name, d := range all(16, 4, func(vs []event) {
			inside++
			most = max(most, inside, len(vs))
			for _, v := range vs {
				if v.n != next[v.by] {
					t.Errorf("poster %d: %d after %d", v.by, v.n, next[v.by])
				}
				next[v.by] = v.n + 1
			}
			inside--
		}) {
			next, most = [posters]uint64{}, 0
			var wg sync.WaitGroup
			for p := range uint64(posters) {
				wg.Go(func() {
					vs := make([]event, burst)
					for n := uint64(0); n < each; {
						m := min(uint64(burst), each-n)
						for i := range m {
							vs[i] = event{by: p, n: n + i}
						}
						var k uint64
						if burst > 1 {
							k = uint64(d.PostN(vs[:m]))
						} else if d.Post(&vs[0]) {
							k = 1
						}
						if n += k; k == 0 {
							spin.Yield() // full
						}
					}
				})
			}
			wg.Wait()
			require.Equal(t, [posters]uint64{each, each, each}, next, "%s, bursts of %d", name, burst)
			require.LessOrEqual(t, most, 4, name)
		}
	}
}

// What finds no room is refused: here an upcall posts more than the queue holds.
func TestFull(t *testing.T) {
	var d dispatcher
	var refused, got int
	ds := all(4, 4, func(vs []event) {
		got += len(vs)
		if vs[0].n == 0 {
			v := event{n: 1}
			for range 6 {
				if !d.Post(&v) {
					refused++
				}
			}
			refused += 2 - d.PostN(make([]event, 2))
		}
	})
	for _, d = range ds {
		refused, got = 0, 0
		require.True(t, d.Post(&event{}))
		require.Equal(t, 9, got+refused)
		require.GreaterOrEqual(t, refused, 4)
		require.Zero(t, d.PostN(nil))
	}
}

func TestRefuses(t *testing.T) {
	require.Panics(t, func() { NewMutexQueue(3, 1, func([]event) {}) })
	require.Panics(t, func() { NewMutexDirect(4, 0, func([]event) {}) })
}

func TestNoAllocations(t *testing.T) {
	sum := uint64(0)
	vs := make([]event, 8)
	for name, d := range all(16, 4, func(vs []event) { sum += uint64(len(vs)) }) {
		require.Zero(t, testing.AllocsPerRun(100, func() { d.Post(&vs[0]); d.PostN(vs) }), name)
	}
}
