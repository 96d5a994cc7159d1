package engine

import (
	"math"
	"reflect"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/internal/atom"
	"github.com/evdengine/evd/internal/pad"
)

// Between what posters and pollers write, what the holder of TAKE writes, and the
// next EVD in memory, there is pad.Size at least.
func TestEVDLayout(t *testing.T) {
	at := func(typ reflect.Type, name string) (begin, end int) {
		f, ok := typ.FieldByName(name)
		require.True(t, ok, name)
		return int(f.Offset), int(f.Offset + f.Type.Size())
	}
	d := reflect.TypeFor[EVD]()
	first, _ := at(d, "src")
	require.GreaterOrEqual(t, first, pad.Size, "from the EVD before")
	counters, _ := at(d, "stats")
	delivered, _ := at(reflect.TypeFor[stats](), "delivered")
	_, tok := at(d, "tok")
	require.GreaterOrEqual(t, counters+delivered-tok, pad.Size, "from the word to the counters of each batch")
	wcs, _ := at(d, "wcs")
	require.Greater(t, wcs, counters+delivered)

	// What a post by way of the ring needs before its event is published lies on one line,
	// and the word on another, if EVDs begin at one. (Explored, some fields are larger.)
	if atom.Exploring {
		return
	}
	const line = 64
	e := newTestEngine(t, Config{})
	for range 8 {
		one, err := e.NewEVD(EVDConfig{})
		require.NoError(t, err)
		defer one.Close()
		require.Zero(t, reflect.ValueOf(one).Pointer()%line)
	}
	word, _ := at(d, "machine")
	for _, name := range []string{"ring", "spillMax", "id", "software", "postInline", "traced", "quick", "flags"} {
		begin, end := at(d, name)
		require.Equal(t, first/line, begin/line, name)
		require.Equal(t, first/line, (end-1)/line, name)
		require.NotEqual(t, word/line, begin/line, name)
	}
}

// inUse is the memory of heap and stacks after a collection.
func inUse() uint64 {
	runtime.GC()
	runtime.GC() // what finalizers and pools kept
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse
}

// idleEVDs makes n EVDs of 64 places.
func idleEVDs(t testing.TB, e *Engine, n int, disp Dispatch) []*EVD {
	t.Helper()
	evds := make([]*EVD, n)
	up := func(*Upcall) {}
	for i := range evds {
		var err error
		evds[i], err = e.NewEVD(EVDConfig{Capacity: 64, Dispatch: disp, Policy: SingleInstance, Upcall: up})
		require.NoError(t, err)
	}
	return evds
}

// slotBytes is what a place of a ring takes.
var slotBytes = reflect.TypeFor[Event]().Size() + 8

// An idle EVD takes 1 KiB beside the places of its ring at most, and neither a
// goroutine nor a timer. (What the runtime itself takes meanwhile is measured with it:
// the least of a few measurements counts.)
func TestScaleMemory(t *testing.T) {
	const n = 10_000
	for _, disp := range []Dispatch{DispatchAuto, DispatchInline, DispatchQueued} {
		t.Run(disp.String(), func(t *testing.T) {
			least := math.Inf(1)
			for range 5 {
				e, err := New(Config{Workers: 1})
				require.NoError(t, err)
				goroutines, before := runtime.NumGoroutine(), inUse()
				evds := idleEVDs(t, e, n, disp)
				require.LessOrEqual(t, runtime.NumGoroutine(), goroutines)
				least = min(least, (float64(inUse())-float64(before))/n-64*float64(slotBytes))
				runtime.KeepAlive(evds)
				require.NoError(t, e.Close())
				if least <= 1024 {
					break
				}
			}
			t.Logf("%.0f bytes an EVD beside its places", least)
			require.LessOrEqual(t, least, 1024.0)
		})
	}
}

// The watchdog looks at very many EVDs in turn, a bounded number at a look, and
// at those with CQs at each.
func TestScaleWatchdog(t *testing.T) {
	e := newTestEngine(t, Config{Workers: 1, Watchdog: NoWatchdog, StuckAfter: minWatchdog})
	e.cfg.Watchdog = 2 * minWatchdog // no goroutine: the looks are made here
	evds := idleEVDs(t, e, 3*looksAtOnce, DispatchAuto)
	for _, d := range evds {
		d.word.Store(uint64(d.load() + runOne)) // as if an upcall ran
	}
	t.Cleanup(func() { // or Close would wait for it
		for _, d := range evds {
			d.word.Store(uint64(d.load() - runOne))
		}
	})
	told := func() (n int) {
		for _, d := range evds {
			if d.dog.told {
				n++
			}
		}
		return n
	}
	seen := 0
	for range 20 {
		e.tick()
		now := told()
		require.LessOrEqual(t, now-seen, looksAtOnce, "at one look")
		seen = now
	}
	require.Equal(t, len(evds), seen)
}

// Very many EVDs, each over a CQ of its own, on one Poller (BenchmarkPollers has
// 100,000): neither a goroutine nor a
// timer each, 1 KiB more than an EVD without CQ at most, and a wake-up touches who has
// something, not all.
func TestScalePoller(t *testing.T) {
	const n = 10_000
	e, err := New(Config{Workers: 1, Watchdog: NoWatchdog})
	require.NoError(t, err)
	g := newPoller(t, e)
	goroutines := runtime.NumGoroutine()
	var got atom.Counter
	cqs, each := members(t, e, g, n, ModeAdaptive, func(*Upcall) { got.Add(1) })
	require.LessOrEqual(t, runtime.NumGoroutine(), goroutines)
	each -= 64 * float64(slotBytes)
	t.Logf("%.0f bytes an EVD and its place in the poller, beside the places of its ring and its CQ", each)
	require.LessOrEqual(t, each, 2048.0)
	idle(t, g)
	before := g.Stats()
	const some = 100
	for i := range some {
		_, err := cqs[i*(n/some)].Complete(hwcq.WC{}, false)
		require.NoError(t, err)
	}
	waitFor(t, func() bool { return got.Load() == some })
	idle(t, g)
	after := g.Stats()
	require.Equal(t, n, after.Members)
	require.LessOrEqual(t, after.Visits-before.Visits, uint64(some), "members looked after, of those that had something")
	require.NoError(t, e.Close())
	for _, cq := range cqs {
		require.NoError(t, cq.Close())
	}
}
