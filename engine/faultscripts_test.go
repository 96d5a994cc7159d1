package engine_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/engine"
	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/mock"
)

// Scripts of faults drawn at random, through the whole engine: whatever goes
// wrong, what the hardware stored and what Post accepted comes out exactly once
// and in order, and the async errors tell what happened. Each seed gives the
// script, the configuration and what is changed meanwhile.

func TestFaultScripts(t *testing.T) {
	if s := os.Getenv("EVD_FAULTS_SEED"); s != "" {
		seed, err := strconv.ParseUint(s, 10, 64)
		require.NoError(t, err, "EVD_FAULTS_SEED=%q must be the number of a seed", s)
		newFaultRun(t, seed).run()
		return
	}
	seeds := uint64(150)
	if s := os.Getenv("EVD_FAULTS_SEEDS"); s != "" {
		n, err := strconv.ParseUint(s, 10, 64)
		require.True(t, err == nil && n > 0, "EVD_FAULTS_SEEDS=%q must be how many seeds to run, 1 or more", s)
		seeds = n
	} else if testing.Short() {
		seeds = 30
	}
	for seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { newFaultRun(t, seed).run() })
	}
}

// faultRun is one script on one EVD.
type faultRun struct {
	t     *testing.T
	rng   *rand.Rand
	cq    *mock.CQ
	cfg   engine.EVDConfig
	eng   *engine.Engine
	evd   *engine.EVD
	moves int // changes of policy

	mu     sync.Mutex
	last   [2]uint64 // of each source, the last one that came out
	out    int
	told   map[engine.EventNumber]int
	stored int // by the hardware; its goroutine's until it is done
	posted int // by the poster; the same
}

// events of one source.
const faultEvents = 300

func newFaultRun(t *testing.T, seed uint64) *faultRun {
	f := &faultRun{t: t, rng: rand.New(rand.NewPCG(seed, 1)), told: map[engine.EventNumber]int{}}
	script := f.script()
	cqCfg := mock.Config{Depth: 8 << f.rng.IntN(5), Seed: seed, FatalOverrun: f.rng.IntN(4) == 0}
	var err error
	cqCfg.Faults, err = mock.ParseFaults(script)
	require.NoError(t, err)
	f.cq, err = mock.New(cqCfg)
	require.NoError(t, err)
	f.cfg = engine.EVDConfig{
		Streams: engine.DTO | engine.Software, CQs: []hwcq.CQ{f.cq},
		Mode:      engine.Mode(f.rng.IntN(3)),
		Dispatch:  engine.Dispatch(f.rng.IntN(3)),
		Capacity:  1 << f.rng.IntN(9),
		Batch:     1 << f.rng.IntN(5),
		Policy:    engine.SingleInstance,
		Upcall:    func(u *engine.Upcall) { f.take(u.Events()) },
		Leftovers: f.take,
	}
	f.moves = f.rng.IntN(5)
	t.Logf("script %q, depth %d, fatal overrun %v, %v, dispatch %v, capacity %d, batch %d, %d changes of policy",
		script, cqCfg.Depth, cqCfg.FatalOverrun, f.cfg.Mode, f.cfg.Dispatch, f.cfg.Capacity, f.cfg.Batch, f.moves)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("to run it again: EVD_FAULTS_SEED=%d go test -run 'TestFaultScripts$' ./engine", seed)
		}
	})
	return f
}

// script draws faults.
func (f *faultRun) script() (s string) {
	for _, name := range []string{"lose", "duplicate", "delay", "spurious", "armerror", "early", "error", "overrun", "remove"} {
		rule := fmt.Sprintf("p%.2f", 0.02+0.5*f.rng.Float64())
		ends := name == "remove"
		switch {
		case f.rng.IntN(3) > 0:
			continue
		case ends || f.rng.IntN(2) == 0:
			rule = fmt.Sprintf("%d", 1+f.rng.IntN(faultEvents/2))
			if !ends {
				rule += fmt.Sprintf("+%d", 1+f.rng.IntN(20))
			}
		}
		switch name {
		case "delay":
			rule += fmt.Sprintf("@%dus", 1+f.rng.IntN(3000))
		case "error":
			rule += fmt.Sprintf("@%d", 1+f.rng.IntN(int(hwcq.StatusGeneralErr)))
		}
		s += name + "=" + rule + " "
	}
	return s
}

// take is every way out. Its callers do not overlap: single instance, and
// dequeued only after Teardown.
func (f *faultRun) take(evs []engine.Event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range evs {
		from := evs[i].WRID >> 32
		if n := evs[i].WRID & 0xffffffff; n <= f.last[from] {
			f.t.Errorf("source %d: event %d after %d", from, n, f.last[from])
		} else {
			f.last[from] = n
		}
	}
	f.out += len(evs)
}

func (f *faultRun) async(evs []engine.Event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range evs {
		f.told[evs[i].Number] += evs[i].Count()
	}
}

func (f *faultRun) get(n engine.EventNumber) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.told[n]
}

func (f *faultRun) run() {
	t := f.t
	var err error
	f.eng, err = engine.New(engine.Config{
		Watchdog: 2 * time.Millisecond, SpinBudget: 10 * time.Microsecond,
		AsyncUpcall: func(u *engine.Upcall) { f.async(u.Events()) }, AsyncLeftovers: f.async,
	})
	require.NoError(t, err)
	f.evd, err = f.eng.NewEVD(f.cfg)
	require.NoError(t, err)
	var wg sync.WaitGroup
	wg.Go(f.hardware)
	wg.Go(f.poster)
	for range f.moves {
		f.change()
	}
	wg.Wait()

	// Upcalls are enabled: all of it has to come by itself.
	semUntil(t, func() bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		return f.out >= f.stored+f.posted
	})
	st := f.cq.Stats()
	if st.Overruns > 0 {
		semUntil(t, func() bool { return f.get(engine.CQOverrun) > 0 })
	}
	// A poller that polls for ever neither arms nor waits, and has nobody to
	// hear from that the device is gone.
	if st.Removals > 0 && f.cfg.Mode != engine.ModeSpin {
		semUntil(t, func() bool { return f.get(engine.DeviceRemoved) > 0 })
	}
	require.NoError(t, f.evd.Close())
	require.NoError(t, f.eng.Close())
	st = f.cq.Stats()
	require.False(t, f.cq.Pending(), "left on the CQ")
	require.NoError(t, f.cq.Close())

	require.Equal(t, f.stored+f.posted, f.out)
	e := f.evd.Stats()
	require.EqualValues(t, f.stored, e.Polled)
	require.EqualValues(t, f.posted, e.Posted)
	require.EqualValues(t, f.out, e.Delivered+e.Dequeued+e.Leftover)
	require.Zero(t, e.Leftover, "all had come before the close")
	require.EqualValues(t, st.ArmErrors, f.told[engine.ArmFailure], "each failed arm is told, alone or in a count")
	require.LessOrEqual(t, f.told[engine.DeviceRemoved], int(st.Removals), "an end is told once")
	if st.Overruns == 0 {
		require.Zero(t, f.told[engine.CQOverrun])
	}
	require.Zero(t, f.told[engine.UpcallPanic]+f.told[engine.ProviderError]+f.told[engine.EVDOverflow])
}

// hardware offers completions, pausing now and then so that the poller comes to
// rest, until the CQ has ended.
func (f *faultRun) hardware() {
	for n := uint64(1); n <= faultEvents; n++ {
		ok, err := f.cq.Complete(hwcq.WC{WRID: n}, n%2 == 0)
		if errors.Is(err, hwcq.ErrRemoved) {
			return
		}
		if err != nil {
			f.t.Error(err)
		}
		if ok {
			f.stored++
		}
		f.pause(n)
	}
}

func (f *faultRun) poster() {
	for n := uint64(1); n <= faultEvents; n++ {
		switch err := f.evd.Post(engine.Event{WRID: 1<<32 | n}); {
		case err == nil:
			f.posted++
		case !errors.Is(err, engine.ErrFull):
			f.t.Error(err)
		}
		f.pause(n)
	}
}

func (f *faultRun) pause(n uint64) {
	switch {
	case n%100 == 0:
		time.Sleep(100 * time.Microsecond)
	case n%3 == 0:
		runtime.Gosched()
	}
}

// change tears upcalls down, dequeues, and enables them again, strictly if that
// can be had.
func (f *faultRun) change() {
	if err := f.evd.ModifyUpcall(engine.Teardown, engine.Same); err != nil {
		f.t.Error(err)
	}
	dst := make([]engine.Event, 7)
	for range 50 {
		n, err := f.evd.Dequeue(dst)
		if err != nil && !errors.Is(err, engine.ErrBusy) {
			f.t.Error(err)
		}
		f.take(dst[:n])
		err = f.evd.ModifyUpcall(engine.SingleInstance, engine.Same)
		switch {
		case err == nil:
			return
		case errors.Is(err, engine.ErrEventsPending), errors.Is(err, mock.ErrInjected), errors.Is(err, hwcq.ErrRemoved), errors.Is(err, hwcq.ErrOverrun):
		default:
			f.t.Error(err)
		}
	}
	if err := f.evd.ModifyUpcallAny(engine.SingleInstance, engine.Same); err != nil {
		f.t.Error(err)
	}
}
