//go:build !explore

package engine

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/internal/atom"
)

// Everything that may be done to an exclusive EVD is done beside completions and posts,
// with upcalls that panic and end their goroutine: each event comes once, and upcalls
// get those of either stream in order.
func TestExclusiveStress(t *testing.T) {
	const each = 3000
	e := newTestEngine(t, Config{Workers: 2, SpinBudget: 5 * time.Microsecond, Watchdog: 5 * time.Millisecond})
	var mu sync.Mutex
	seen := [2][each]int{}
	last := [2]int{-1, -1}
	var total atom.Uint64
	got := func(evs []Event, ordered bool) { // of upcalls one runs at a time; a Dequeue may overtake the note of one
		mu.Lock()
		defer mu.Unlock()
		for _, ev := range evs {
			s := 0
			if ev.Stream == Software {
				s = 1
			}
			seen[s][ev.WRID]++
			if ordered && int(ev.WRID) <= last[s] {
				t.Errorf("stream %d: %d after %d", s, ev.WRID, last[s])
			}
			if ordered {
				last[s] = int(ev.WRID)
			}
		}
		total.Add(uint64(len(evs)))
	}
	var d *EVD
	d, cq := newExclusive(t, e, EVDConfig{
		Mode: ModeAdaptive, WaitMode: WaitAdaptive, Batch: 4, Budget: 16, Capacity: 8, Overflow: OverflowSpill, SpillLimit: 1 << 15,
		Leftovers: func(evs []Event) { got(evs, false) },
	}, func(u *Upcall) {
		got(u.Events(), true)
		var buf [2]Event
		switch rand.IntN(100) {
		case 0:
			panic("upcall")
		case 1:
			runtime.Goexit()
		case 2:
			_ = u.ModifyUpcall(Disable, Same)
		case 3:
			_ = u.ModifyUpcall(Disable, Same)
			_ = u.ModifyUpcallAny(SingleInstance, Same)
		case 4, 5, 6:
			n, _ := u.Dequeue(buf[:])
			got(buf[:n], true)
		}
	})
	c, err := d.Reserve(CreditsConfig{QPNum: 1, N: 64})
	require.NoError(t, err)
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := 0; i < each; {
			if c.Acquire(1) != nil {
				runtime.Gosched()
				continue
			}
			if ok, _ := cq.Complete(hwcq.WC{WRID: uint64(i), QPNum: 1}, false); !ok {
				t.Error("overrun")
			}
			i++
		}
	})
	wg.Go(func() {
		for i := range uint64(each) {
			if err := d.Post(Event{WRID: i}); err != nil {
				t.Error(err)
			}
			if i%64 == 0 {
				time.Sleep(20 * time.Microsecond)
			}
		}
	})
	stop := make(chan struct{})
	var admin sync.WaitGroup
	admin.Go(func() {
		r := rand.New(rand.NewPCG(1, 2))
		var buf [8]Event
		for {
			select {
			case <-stop:
				return
			case <-time.After(time.Duration(r.IntN(200)) * time.Microsecond):
			}
			switch r.IntN(10) {
			case 0:
				_ = d.SetMode(Mode(r.IntN(3)))
			case 1:
				_ = d.Resize(8 << r.IntN(4))
			case 2:
				_ = d.ModifyUpcall(Disable, Same)
				n, _ := d.Dequeue(buf[:])
				got(buf[:n], false)
			case 3:
				if err := d.ModifyUpcall(Teardown, Same); err != nil && !errors.Is(err, ErrSuperseded) {
					t.Error(err)
				}
				if w := d.load(); w.lim() == 0 && w.run() != 0 {
					t.Errorf("runs after Teardown: %x", w)
				}
			case 4:
				_ = d.ModifyUpcall(Disable, Same)
				ctx, cancel := context.WithTimeout(context.Background(), 100*time.Microsecond)
				n, _, _ := d.Wait(ctx, 1, buf[:])
				cancel()
				got(buf[:n], false)
			case 5:
				_ = d.Wake()
			case 6:
				_ = d.ModifyUpcallNew(SingleInstance, Same)
			default:
				_ = d.ModifyUpcallAny(SingleInstance, Same)
			}
		}
	})
	wg.Wait()
	close(stop)
	admin.Wait()
	waitFor(t, func() bool {
		_ = d.ModifyUpcallAny(SingleInstance, Same)
		return total.Load() == 2*each
	})
	waitFor(t, func() bool { return c.Free() == 64 })
	require.NoError(t, d.Close())
	for s := range seen {
		for i, n := range seen[s] {
			require.Equal(t, 1, n, "stream %d, event %d", s, i)
		}
	}
	st := d.Stats()
	require.Equal(t, st.Posted+st.Polled+st.Raised, st.Delivered+st.Dequeued+st.Leftover)
	require.EqualValues(t, each, st.Polled)
	require.Zero(t, cq.Stats().ArmAgain)
}
