package engine

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/mock"
)

// Wrong EVDs: the histories must tell them from a right one.

// losesPost loses every second event that it accepts.
type losesPost struct {
	target
	mu sync.Mutex
	n  int
}

func (w *losesPost) Post(ev Event) error {
	w.mu.Lock()
	w.n++
	lose := w.n%2 == 0
	w.mu.Unlock()
	if lose {
		return nil
	}
	return w.target.Post(ev)
}

// dequeuesTwice hands the last event out again when there is none.
type dequeuesTwice struct {
	target
	last Event
}

func (w *dequeuesTwice) Dequeue(dst []Event) (int, error) {
	n, err := w.target.Dequeue(dst)
	switch {
	case n > 0:
		w.last = dst[n-1]
	case err == nil && w.last.WRID != 0:
		dst[0], w.last = w.last, Event{}
		return 1, nil
	}
	return n, err
}

// busyIsEmpty calls an EVD empty from which nothing can be had now.
type busyIsEmpty struct{ target }

func (w busyIsEmpty) Dequeue(dst []Event) (int, error) {
	n, err := w.target.Dequeue(dst)
	if errors.Is(err, ErrBusy) {
		err = nil
	}
	return n, err
}

// enablesBlindly does not refuse.
type enablesBlindly struct {
	target
	d *EVD
}

func (w enablesBlindly) ModifyUpcall(p Policy, fn UpcallFunc) error {
	return w.d.ModifyUpcallAny(p, fn)
}

// neverDisables says that it has.
type neverDisables struct{ target }

func (w neverDisables) ModifyUpcall(p Policy, fn UpcallFunc) error {
	if p == Disable {
		return nil
	}
	return w.target.ModifyUpcall(p, fn)
}

// postsWhenClosed accepts what it cannot deliver.
type postsWhenClosed struct{ target }

func (w postsWhenClosed) Post(ev Event) error {
	if err := w.target.Post(ev); !errors.Is(err, ErrClosed) {
		return err
	}
	return nil
}

// linearCase is a kind of EVD in use by many.
type linearCase struct {
	dispatch Dispatch
	policy   Policy
	cq       bool
	inside   bool // upcalls disable
	closing  bool // Close beside the others, not after them
}

func (c linearCase) String() string {
	return fmt.Sprintf("%v,%v,cq=%v,inside=%v,closing=%v", c.dispatch, c.policy, c.cq, c.inside, c.closing)
}

// linearHistory has posters, a CQ, a consumer and a closer use an EVD, in ways
// that the seed decides.
func linearHistory(t *testing.T, c linearCase, seed uint64, wrong func(queried) target) []porcupine.Operation {
	e, err := New(Config{Workers: 1, Watchdog: NoWatchdog})
	require.NoError(t, err)
	h := &history{}
	cfg := EVDConfig{
		Streams: Software, Capacity: 4, Batch: 2, Policy: c.policy, Dispatch: c.dispatch,
		Upcall: h.upcall, Leftovers: h.leftovers,
	}
	if c.cq {
		h.cq, err = mock.New(mock.Config{Depth: 16})
		require.NoError(t, err)
		defer h.cq.Close()
		cfg.Streams, cfg.CQs, cfg.Mode = DTO|Software, []hwcq.CQ{h.cq}, ModeEvent
	}
	h.between = func() {
		if rand.IntN(2) == 0 { // whose turn it is, is not the seed's to say
			runtime.Gosched()
		}
	}
	if c.inside {
		h.inside = func(u *Upcall) { h.disableInside(upcallClient, u) }
	}
	d, err := e.NewEVD(cfg)
	require.NoError(t, err)
	h.d = queried{d}
	if wrong != nil {
		h.d = wrong(queried{d})
	}
	var wg sync.WaitGroup
	start := make(chan struct{})
	launch := func(fn func()) {
		wg.Go(func() {
			<-start
			fn()
		})
	}
	for p := range 2 {
		launch(func() {
			v := byte(8*p + 1)
			if seed>>p&1 != 0 {
				h.postN(p, v, v+1, v+2)
				h.post(p, v+3)
				return
			}
			for i := range byte(4) {
				h.post(p, v+i)
			}
		})
	}
	if c.cq {
		launch(func() {
			for i := range 4 {
				h.complete(2, byte(histCQ+i))
			}
		})
	}
	launch(func() {
		g := rand.New(rand.NewPCG(seed, 0))
		for range 8 {
			switch g.IntN(5) {
			case 0, 1:
				h.dequeue(3, 1+g.IntN(3))
			case 2:
				h.enable(3)
			case 3:
				h.disable(3)
			case 4:
				h.query(3)
			}
		}
	})
	if c.closing {
		launch(func() { h.close(4) })
	}
	close(start)
	wg.Wait()
	waitFor(t, func() bool { // what is left must move by itself
		w := d.load()
		return w.run() == 0 && w&(bQUED|bTAKE) == 0 && (w.lim() == 0 || !d.pending() || wrong != nil)
	})
	h.end()
	h.close(endClient)
	require.NoError(t, e.Close())
	return h.sealed()
}

var linearCases = []linearCase{
	{dispatch: DispatchQueued},
	{dispatch: DispatchQueued, closing: true},
	{dispatch: DispatchQueued, policy: SingleInstance, inside: true},
	{dispatch: DispatchQueued, policy: SingleInstance, closing: true},
	{dispatch: DispatchInline, policy: SingleInstance},
	{dispatch: DispatchInline, policy: SingleInstance, inside: true, closing: true},
	{dispatch: DispatchAuto, cq: true, policy: SingleInstance},
	{dispatch: DispatchInline, cq: true, policy: SingleInstance, inside: true},
	{dispatch: DispatchInline, cq: true, closing: true},
}

// What goroutines see of an EVD on real processors is what they could have seen
// of a sequential one.
func TestLinear(t *testing.T) {
	const rounds = 100
	for _, c := range linearCases {
		t.Run(c.String(), func(t *testing.T) {
			for seed := range uint64(rounds) {
				ops := linearHistory(t, c, seed, nil)
				if !porcupine.CheckOperations(histModel(4, 4, c.policy != Disable), ops) {
					t.Fatalf("seed %d: not linearizable:%s", seed, describe(ops))
				}
			}
		})
	}
}

// The histories of real runs show an EVD that loses events, or hands them out
// twice, whatever the processors do.
func TestLinearFindsWrong(t *testing.T) {
	c := linearCase{dispatch: DispatchQueued}
	for name, wrong := range map[string]func(queried) target{
		"loses":                 func(d queried) target { return &losesPost{target: d} },
		"twice":                 func(d queried) target { return &dequeuesTwice{target: d} },
		"accepts, being closed": func(d queried) target { return postsWhenClosed{d} },
	} {
		t.Run(name, func(t *testing.T) {
			c.closing = name != "loses" && name != "twice"
			found := false
			for seed := uint64(0); seed < 50 && !found; seed++ {
				found = !porcupine.CheckOperations(histModel(4, 4, false), linearHistory(t, c, seed, wrong))
			}
			require.True(t, found, "a wrong EVD passes")
		})
	}
}
