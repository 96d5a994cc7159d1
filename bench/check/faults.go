package check

import (
	"errors"
	"sync"
	"time"

	"github.com/evdengine/evd/engine"
	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/mock"
)

// faultCase is a script of what hardware does wrong, and what must come of it.
type faultCase struct {
	name, promise string
	script        string // see mock.ParseFaults
	happened      func(mock.Stats) uint64
	then          func(f *faults) // beside: what was stored comes out, once and in order
}

var faultCases = []faultCase{
	{
		"fault/spurious", "events without a cause, and events told twice, do no harm", "duplicate=p0.3 spurious=p0.3",
		func(s mock.Stats) uint64 { return s.EventsDuplicated + s.EventsSpurious }, nil,
	},
	{
		"fault/late", "events that come late delay completions, and lose none", "delay=p0.2@300us",
		func(s mock.Stats) uint64 { return s.EventsDelayed }, nil,
	},
	{
		"fault/lost", "a lost interrupt is found by the watchdog, which delivers the completion and says so", "lose=p0.1",
		func(s mock.Stats) uint64 { return s.EventsLost }, func(f *faults) { f.tells(engine.LostInterrupt, 1) },
	},
	{
		"fault/early", "an event that overtakes its completion loses nothing", "early=p0.1",
		func(s mock.Stats) uint64 { return s.EventsEarly }, nil,
	},
	{
		"fault/arm", "a CQ that cannot be armed is polled and tried again, and each failure is told", "armerror=p0.2",
		func(s mock.Stats) uint64 { return s.ArmErrors },
		func(f *faults) { f.tells(engine.ArmFailure, int(f.cq.Stats().ArmErrors)) },
	},
	{
		"fault/error", "failed completions come in their place, with their status", "error=p0.2@12",
		func(s mock.Stats) uint64 { return s.ErrorWCs },
		func(f *faults) {
			if want := f.cq.Stats().ErrorWCs; f.bad != want {
				f.t.errorf("%d completions failed, and %d came with that status", want, f.bad)
			}
		},
	},
	{
		"fault/overrun", "completions that the CQ drops are counted and told, and the others come", "overrun=p0.05",
		func(s mock.Stats) uint64 { return s.Overruns },
		func(f *faults) {
			f.tells(engine.CQOverrun, 1)
			if want := f.cq.Stats().Overruns; f.dropped != want {
				f.t.errorf("%d completions were dropped, and the CQ counted %d", f.dropped, want)
			}
		},
	},
	{
		"fault/removal", "when the device goes, what had completed comes out, and the end is told once", "remove=60",
		func(s mock.Stats) uint64 { return s.Removals }, func(f *faults) { f.tells(engine.DeviceRemoved, 1) },
	},
}

var faultScenarios = func() (all []scenario) {
	for _, c := range faultCases {
		all = append(all, scenario{c.name, c.promise, "engine, on " + c.script, c.run})
	}
	return all
}()

// faults is a run with one script.
type faults struct {
	t       *trial
	cq      *mock.CQ
	rig     *rig
	made    uint64 // completions that were offered. Owner: the scenario
	stored  uint64 // of them: that the CQ took
	dropped uint64

	mu   sync.Mutex
	out  uint64                     // guarded by mu
	last uint64                     // guarded by mu
	bad  uint64                     // guarded by mu, and the scenario's own in the end
	told map[engine.EventNumber]int // guarded by mu
}

// faultWatchdog is quick, since lost interrupts wait for it.
const faultWatchdog = 2 * time.Millisecond

func (c faultCase) run(t *trial) {
	script, err := mock.ParseFaults(c.script)
	t.noErr("the script", err)
	happened := uint64(0)
	// A random script may do nothing for a while.
	for round := uint64(0); happened == 0 || round < 2; round++ {
		if round == 20 {
			t.fatalf("nothing went wrong in %d runs with the script %s", round, c.script)
		}
		happened += c.once(t, script, t.cfg.Seed+round)
	}
}

func (c faultCase) once(t *trial, script mock.Faults, seed uint64) uint64 {
	cq, err := mock.New(mock.Config{Depth: rigDepth, Seed: seed, Faults: script})
	t.noErr("the CQ", err)
	f := &faults{t: t, cq: cq, told: map[engine.EventNumber]int{}}
	f.rig = t.rigOver(mockBed(cq), engine.Config{
		Watchdog: faultWatchdog, SpinBudget: 10 * time.Microsecond,
		AsyncUpcall: func(u *engine.Upcall) { f.async(u.Events()) }, AsyncLeftovers: f.async,
	}, func(*rig) engine.EVDConfig {
		return engine.EVDConfig{
			Mode:   []engine.Mode{engine.ModeEvent, engine.ModeAdaptive}[seed%2],
			Policy: engine.SingleInstance, Leftovers: f.take, Upcall: func(u *engine.Upcall) { f.take(u.Events()) },
		}
	})
	defer f.rig.close()
	f.hardware(t.scaled(loadRounds))
	t.until("every completion that the CQ took comes out", func() bool { return f.came() >= f.stored })
	n := c.happened(cq.Stats())
	if n > 0 && c.then != nil {
		c.then(f)
	}
	t.rounds += f.made
	return n
}

// hardware offers completions, with pauses in which the poller comes to rest.
func (f *faults) hardware(total int) {
	for n := uint64(1); n <= uint64(total); n++ {
		f.t.until("room on the CQ", func() bool { return f.stored-f.came() < rigDepth/2 })
		ok, err := f.cq.Complete(hwcq.WC{WRID: n}, false)
		switch {
		case errors.Is(err, hwcq.ErrRemoved):
			return
		case err != nil:
			f.t.fatalf("making a completion: %v", err)
		case ok:
			f.stored++
		default:
			f.dropped++
		}
		f.made++
		if f.rig.rng.IntN(3) == 0 {
			time.Sleep(time.Duration(f.rig.rng.IntN(100)) * time.Microsecond)
		}
	}
}

func (f *faults) take(evs []engine.Event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range evs {
		if evs[i].WRID <= f.last {
			f.t.errorf("completion %d came after %d", evs[i].WRID, f.last)
		}
		f.last = evs[i].WRID
		if evs[i].Status != hwcq.StatusSuccess {
			f.bad++
		}
	}
	f.out += uint64(len(evs))
}

func (f *faults) came() uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.out
}

func (f *faults) async(evs []engine.Event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range evs {
		f.told[evs[i].Number] += evs[i].Count()
	}
}

// tells waits until an async error has been told at least so often.
func (f *faults) tells(n engine.EventNumber, least int) {
	f.t.until("the async error "+n.String(), func() bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		return f.told[n] >= least
	})
}
