package cqtest

import (
	"errors"
	"maps"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/mock"
)

// rig is a mock CQ whose methods a test replaces. It is a sound CQ as long as
// none is.
type rig struct {
	*mock.CQ
	b *Bed

	poll    func(dst []hwcq.WC) int
	pending func() bool
	arm     func(solicited bool) (bool, error)
	caps    func() hwcq.Capabilities
	closing func() error
	src     *source
	events  func() hwcq.EventSource
}

func (r *rig) Poll(dst []hwcq.WC) int           { return r.poll(dst) }
func (r *rig) Pending() bool                    { return r.pending() }
func (r *rig) Arm(solicited bool) (bool, error) { return r.arm(solicited) }
func (r *rig) Capabilities() hwcq.Capabilities  { return r.caps() }
func (r *rig) Close() error                     { return r.closing() }
func (r *rig) Events() hwcq.EventSource         { return r.events() }

// source is the event source of a rig.
type source struct {
	wait, try func() (bool, error)
	wake      func()
}

func (s *source) Wait() (bool, error)    { return s.wait() }
func (s *source) TryWait() (bool, error) { return s.try() }
func (s *source) Wake()                  { s.wake() }

// mute is a source that can be waited for with others, and never tells.
type mute struct{ *source }

func (mute) Notify(func()) (int, error) { return -1, nil }

func newRig(t testing.TB, cfg mock.Config, depth int) *rig {
	cfg.Depth = depth
	c, err := mock.New(cfg)
	require.NoError(t, err)
	ev := c.Events()
	r := &rig{
		CQ: c, poll: c.Poll, pending: c.Pending, arm: c.Arm, caps: c.Capabilities, closing: c.Close,
		src: &source{ev.Wait, ev.TryWait, ev.Wake},
	}
	r.events = func() hwcq.EventSource { return r.src }
	one := func(wc hwcq.WC, solicited bool) error {
		ok, err := c.Complete(wc, solicited)
		if err == nil && !ok {
			return hwcq.ErrFull
		}
		return err
	}
	many := func(wrids []uint64) (int, error) {
		wcs := make([]hwcq.WC, len(wrids))
		for i, id := range wrids {
			wcs[i].WRID = id
		}
		return c.CompleteN(wcs, false)
	}
	r.b = &Bed{
		CQ: r,
		Complete: func(wrids ...uint64) error {
			n, err := many(wrids)
			if err == nil && n < len(wrids) {
				return hwcq.ErrFull
			}
			return err
		},
		Fail:      func(id uint64) error { return one(hwcq.WC{WRID: id, Status: hwcq.StatusRemOpErr}, false) },
		Solicited: func(id uint64) error { return one(hwcq.WC{WRID: id}, true) },
		Overrun:   func(wrids ...uint64) error { _, err := many(wrids); return err },
		Remove:    func() error { c.Remove(); return nil },
	}
	return r
}

// broken is a way in which a CQ is wrong, and the property that finds it.
type broken struct {
	name  string
	finds string
	cfg   mock.Config
	spoil func(r *rig)
	claim Driver // claims of the driver
}

// every returns a function that is true at each nth call.
func every(n int) func() bool {
	var mu sync.Mutex
	i := 0
	return func() bool {
		mu.Lock()
		defer mu.Unlock()
		i++
		return i%n == 0
	}
}

func never() { select {} }

var garbage []byte // keeps an allocation from being optimised away

var brokens = []broken{
	{name: "driver without a name", finds: "capabilities", spoil: func(r *rig) {
		r.caps = func() hwcq.Capabilities { c := r.CQ.Capabilities(); c.Driver = ""; return c }
	}},
	{name: "less than asked for", finds: "capabilities", spoil: func(r *rig) {
		r.caps = func() hwcq.Capabilities { c := r.CQ.Capabilities(); c.Depth = 1; return c }
	}},
	{name: "a source for each call", finds: "capabilities", spoil: func(r *rig) {
		r.events = func() hwcq.EventSource { s := *r.src; return &s }
	}},
	{name: "fewer than Depth", finds: "poll/depth", spoil: func(r *rig) {
		r.caps = func() hwcq.Capabilities { c := r.CQ.Capabilities(); c.Depth *= 2; return c }
	}},
	{name: "a count for no room", finds: "poll/empty", spoil: func(r *rig) {
		r.poll = func(dst []hwcq.WC) int {
			if len(dst) == 0 && r.CQ.Pending() {
				return 1
			}
			return r.CQ.Poll(dst)
		}
	}},
	{name: "newest first", finds: "poll/order", spoil: func(r *rig) {
		r.poll = func(dst []hwcq.WC) int {
			n := r.CQ.Poll(dst)
			slices.Reverse(dst[:n])
			return n
		}
	}},
	{name: "loses what does not fit", finds: "poll/partial", spoil: func(r *rig) {
		r.poll = func(dst []hwcq.WC) int {
			n := r.CQ.Poll(dst)
			if n == len(dst) && n > 1 {
				r.CQ.Poll(make([]hwcq.WC, 1))
			}
			return n
		}
	}},
	{name: "writes behind what it returns", finds: "poll/partial", spoil: func(r *rig) {
		r.poll = func(dst []hwcq.WC) int {
			n := r.CQ.Poll(dst)
			if n > 0 {
				clear(dst[n:])
			}
			return n
		}
	}},
	{name: "repeats one after many", finds: "poll/wrap", spoil: func(r *rig) {
		again := every(100)
		var last hwcq.WC
		r.poll = func(dst []hwcq.WC) int {
			if len(dst) > 0 && again() {
				dst[0] = last
				return 1
			}
			n := r.CQ.Poll(dst)
			if n > 0 {
				last = dst[n-1]
			}
			return n
		}
	}},
	{name: "Pending is always true", finds: "pending", spoil: func(r *rig) { r.pending = func() bool { return true } }},
	{name: "Pending is always false", finds: "pending", spoil: func(r *rig) { r.pending = func() bool { return false } }},
	{name: "Pending consumes", finds: "pending", spoil: func(r *rig) {
		r.pending = func() bool { return r.CQ.Poll(make([]hwcq.WC, 1)) == 1 }
	}},

	{name: "loses an arm", finds: "arm/event", spoil: func(r *rig) {
		lost := every(7)
		r.arm = func(s bool) (bool, error) {
			if lost() {
				return false, nil
			}
			return r.CQ.Arm(s)
		}
	}},
	{name: "an event before its completion", finds: "arm/event", spoil: func(r *rig) {
		inner := r.b.Complete
		rang := make(chan bool, 1)
		r.arm = func(bool) (bool, error) { rang <- true; return false, nil }
		r.src.wait = func() (bool, error) { return true, nil }
		r.b.Complete = func(wrids ...uint64) error {
			<-rang
			time.Sleep(time.Millisecond)
			return inner(wrids...)
		}
	}},
	{name: "an event storm", finds: "arm/none without", spoil: func(r *rig) {
		r.src.try = func() (bool, error) { return true, nil }
	}},
	{name: "events without an arm", finds: "arm/none without", cfg: mock.Config{Faults: mock.Faults{SpuriousEvent: mock.Always()}}},
	{name: "armed for ever", finds: "arm/one-shot", spoil: func(r *rig) {
		inner := r.b.Complete
		r.b.Complete = func(wrids ...uint64) error {
			err := inner(wrids...)
			_, _ = r.CQ.Arm(false)
			return err
		}
	}},
	{name: "does not see what was there before the arm", finds: "arm/completion before", spoil: func(r *rig) {
		var blind tally
		r.arm = func(s bool) (bool, error) {
			blind.add(1)
			return r.CQ.Arm(s)
		}
		r.pending = func() bool {
			if blind.load() > 0 {
				blind.add(-1)
				return false
			}
			return r.CQ.Pending()
		}
	}},
	{name: "looks back and stays armed", finds: "arm/look back", spoil: func(r *rig) {
		var back tally
		r.arm = func(s bool) (bool, error) {
			missed, err := r.CQ.Arm(s)
			if missed {
				back.add(1)
			}
			return missed, err
		}
		r.src.try = func() (bool, error) {
			if back.load() > 0 {
				back.add(-1)
				return true, nil
			}
			return r.CQ.Events().TryWait()
		}
	}},
	{name: "an empty Poll disarms", finds: "arm/poll does not disarm", spoil: func(r *rig) {
		var off bool
		r.poll = func(dst []hwcq.WC) int {
			n := r.CQ.Poll(dst)
			off = off || n == 0
			return n
		}
		r.arm = func(s bool) (bool, error) { off = false; return r.CQ.Arm(s) }
		r.src.wait = func() (bool, error) {
			if off {
				never()
			}
			return r.CQ.Events().Wait()
		}
	}},
	{name: "two arms, two events", finds: "arm/twice", spoil: func(r *rig) {
		var arms, owed tally
		r.arm = func(s bool) (bool, error) { arms.add(1); return r.CQ.Arm(s) }
		r.src.wait = func() (bool, error) {
			event, err := r.CQ.Events().Wait()
			if event {
				owed.add(arms.load() - 1)
				arms.add(-arms.load())
			}
			return event, err
		}
		r.src.try = func() (bool, error) {
			if owed.load() > 0 {
				owed.add(-1)
				return true, nil
			}
			return r.CQ.Events().TryWait()
		}
	}},
	{name: "never reports missed", finds: "arm/missed", spoil: func(r *rig) {
		r.arm = func(s bool) (bool, error) { _, err := r.CQ.Arm(s); return false, err }
	}},
	{name: "always reports missed", finds: "arm/missed", spoil: func(r *rig) {
		r.arm = func(s bool) (bool, error) { _, err := r.CQ.Arm(s); return true, err }
	}},
	{name: "a wrong hint", finds: "arm/missed", spoil: func(r *rig) {
		r.caps = func() hwcq.Capabilities { c := r.CQ.Capabilities(); c.ReportsMissed = false; return c }
		r.arm = func(s bool) (bool, error) { _, err := r.CQ.Arm(s); return true, err }
	}},
	{name: "solicited only is next", finds: "arm/solicited", spoil: func(r *rig) {
		r.arm = func(bool) (bool, error) { return r.CQ.Arm(false) }
	}},
	{name: "solicited only is not honoured, and sleeps", finds: "arm/solicited not honoured", spoil: func(r *rig) {
		r.caps = func() hwcq.Capabilities { c := r.CQ.Capabilities(); c.Solicited = false; return c }
		r.b.Solicited = nil
	}},
	{name: "solicited only weakens next", finds: "arm/next is not weakened", spoil: func(r *rig) {
		var armed *bool
		r.arm = func(s bool) (bool, error) { armed = &s; return false, nil }
		inner := r.b.Complete
		r.b.Complete = func(wrids ...uint64) error {
			if armed != nil {
				_, _ = r.CQ.Arm(*armed)
			}
			return inner(wrids...)
		}
	}},
	{name: "loses a wake now and then", finds: "arm/no lost wake", spoil: func(r *rig) {
		lost := every(5)
		r.arm = func(s bool) (bool, error) {
			if lost() {
				return false, nil
			}
			return r.CQ.Arm(s)
		}
	}},

	{name: "Wake does nothing", finds: "source/wake", spoil: func(r *rig) { r.src.wake = func() {} }},
	{name: "a Wake is an event", finds: "source/wake", spoil: func(r *rig) {
		r.src.wait = func() (bool, error) { _, err := r.CQ.Events().Wait(); return err == nil, err }
	}},
	{name: "TryWait takes the Wake", finds: "source/wake", spoil: func(r *rig) {
		var wakes tally
		r.src.wake = func() { wakes.add(1) }
		r.src.try = func() (bool, error) {
			if wakes.load() > 0 {
				wakes.add(-wakes.load())
				return true, nil
			}
			return r.CQ.Events().TryWait()
		}
	}},
	{name: "Wakes are counted", finds: "source/wake", spoil: func(r *rig) {
		var wakes tally
		r.src.wake = func() { wakes.add(1); r.CQ.Events().Wake() }
		r.src.wait = func() (bool, error) {
			if wakes.load() > 0 {
				wakes.add(-1)
				return false, nil
			}
			return r.CQ.Events().Wait()
		}
	}},
	{name: "Wake does not reach a Wait that sleeps", finds: "source/wake blocked", spoil: func(r *rig) {
		var asleep, woken tally
		r.src.wake = func() {
			if asleep.load() == 0 {
				woken.add(1)
				r.CQ.Events().Wake()
			}
		}
		r.src.wait = func() (bool, error) {
			asleep.add(1)
			defer asleep.add(-1)
			return r.CQ.Events().Wait()
		}
	}},
	{name: "one Wake in a hundred is lost", finds: "source/wake race", spoil: func(r *rig) {
		lost := every(100)
		r.src.wake = func() {
			if !lost() {
				r.CQ.Events().Wake()
			}
		}
	}},
	{name: "TryWait finds nothing", finds: "source/trywait", spoil: func(r *rig) {
		r.src.try = func() (bool, error) { return false, nil }
	}},
	{name: "TryWait does not consume", finds: "source/trywait", spoil: func(r *rig) {
		found := false
		r.src.try = func() (bool, error) {
			event, err := r.CQ.Events().TryWait()
			found = found || event
			return found, err
		}
	}},
	{name: "a Wake eats the event", finds: "source/wake and event", spoil: func(r *rig) {
		var woken tally
		r.src.wake = func() { woken.add(1); r.CQ.Events().Wake() }
		r.src.wait = func() (bool, error) {
			if woken.load() > 0 {
				woken.add(-woken.load())
				_, _ = r.CQ.Events().TryWait()
			}
			return r.CQ.Events().Wait()
		}
	}},
	{name: "an event whose completion is gone is withheld", finds: "source/late event", spoil: func(r *rig) {
		r.src.wait = func() (bool, error) {
			for {
				event, err := r.CQ.Events().Wait()
				if err != nil || !event || r.CQ.Pending() {
					return event, err
				}
			}
		}
	}},
	{name: "a spurious event disarms", finds: "source/late event", spoil: func(r *rig) {
		var off bool
		r.b.Spurious = func() error { off = true; return nil }
		r.src.wait = func() (bool, error) {
			if off {
				never()
			}
			return r.CQ.Events().Wait()
		}
	}},
	{name: "a second waiter sleeps too", finds: "source/second waiter", claim: Driver{GuardsWait: true}, spoil: func(r *rig) {
		var mu sync.Mutex
		r.src.wait = func() (bool, error) {
			mu.Lock()
			defer mu.Unlock()
			return r.CQ.Events().Wait()
		}
	}},

	{name: "a failed one looks good", finds: "failed completion", spoil: func(r *rig) {
		r.b.Fail = func(id uint64) error { return r.b.Complete(id) }
	}},
	{name: "a failed one is not solicited", finds: "failed completion/solicited", spoil: func(r *rig) {
		r.arm = func(s bool) (bool, error) {
			if s {
				return false, nil
			}
			return r.CQ.Arm(s)
		}
	}},
	{name: "recoverable, and drops", finds: "overrun", spoil: func(r *rig) {
		r.caps = func() hwcq.Capabilities {
			c := r.CQ.Capabilities()
			c.Overrun = hwcq.OverrunRecoverable
			return c
		}
	}},
	{name: "drops without a count", finds: "overrun", spoil: func(r *rig) {
		r.b.Overrun = func(wrids ...uint64) error { return r.b.Complete(wrids[:r.CQ.Capabilities().Depth]...) }
	}},
	{name: "fatal, and goes on", finds: "overrun", spoil: func(r *rig) {
		r.caps = func() hwcq.Capabilities { c := r.CQ.Capabilities(); c.Overrun = hwcq.OverrunFatal; return c }
	}},
	{name: "an overrun is told to nobody", finds: "overrun/waiter", spoil: func(r *rig) {
		r.arm = func(bool) (bool, error) { return false, nil }
	}},
	{name: "tells nothing to who waits for many", finds: "source/notify", spoil: func(r *rig) {
		r.events = func() hwcq.EventSource { return mute{r.src} }
	}},
	{name: "a removed CQ is armed", finds: "removal", spoil: func(r *rig) {
		r.arm = func(s bool) (bool, error) {
			missed, err := r.CQ.Arm(s)
			if errors.Is(err, hwcq.ErrRemoved) {
				err = nil
			}
			return missed, err
		}
	}},
	{name: "a removal loses what is in the CQ", finds: "removal", spoil: func(r *rig) {
		inner := r.b.Remove
		r.b.Remove = func() error { r.CQ.Poll(make([]hwcq.WC, 8)); return inner() }
	}},
	{name: "a waiter sleeps over the removal", finds: "removal/waiter", spoil: func(r *rig) {
		r.src.wait = func() (bool, error) {
			event, err := r.CQ.Events().Wait()
			if errors.Is(err, hwcq.ErrRemoved) {
				never()
			}
			return event, err
		}
	}},

	{name: "Wait hangs after Close", finds: "close", spoil: func(r *rig) {
		r.src.wait = func() (bool, error) {
			event, err := r.CQ.Events().Wait()
			if err != nil {
				never()
			}
			return event, err
		}
	}},
	{name: "a second Close fails", finds: "close", spoil: func(r *rig) {
		once := false
		r.closing = func() error {
			if once {
				return hwcq.ErrClosed
			}
			once = true
			return r.CQ.Close()
		}
	}},
	{name: "a closed CQ is armed", finds: "close", spoil: func(r *rig) {
		r.arm = func(s bool) (bool, error) { missed, _ := r.CQ.Arm(s); return missed, nil }
	}},
	{name: "Close does nothing", finds: "close/unpolled", spoil: func(r *rig) { r.closing = func() error { return nil } }},
	{name: "Close leaves the waiter asleep", finds: "close/beside wait", spoil: func(r *rig) {
		var closed tally
		r.closing = func() error { closed.add(1); return nil }
		r.src.wait = func() (bool, error) {
			if closed.load() > 0 {
				return false, hwcq.ErrClosed
			}
			return r.CQ.Events().Wait()
		}
	}},
	{name: "one Close at a time", finds: "close/several at once", spoil: func(r *rig) {
		var busy sync.Mutex
		r.closing = func() error {
			if !busy.TryLock() {
				return hwcq.ErrBusy
			}
			defer busy.Unlock()
			time.Sleep(time.Millisecond)
			return r.CQ.Close()
		}
	}},
	{name: "Poll of a CQ being closed returns blank memory", finds: "close/under load", spoil: func(r *rig) {
		var closed tally
		r.closing = func() error {
			closed.add(1)
			time.Sleep(5 * time.Millisecond)
			return r.CQ.Close()
		}
		r.poll = func(dst []hwcq.WC) int {
			if closed.load() == 0 || len(dst) == 0 {
				return r.CQ.Poll(dst)
			}
			dst[0] = hwcq.WC{}
			return 1
		}
	}},
	{name: "leaks a goroutine", finds: "close/leaks", spoil: func(r *rig) {
		r.closing = func() error { go never(); return r.CQ.Close() }
	}},

	{name: "two pollers get the same", finds: "two pollers", spoil: func(r *rig) {
		// A completion in 500 is given once more.
		var last []hwcq.WC
		r.poll = func(dst []hwcq.WC) int {
			if len(last) > 0 && len(dst) > 0 {
				n := copy(dst, last)
				last = nil
				return n
			}
			n := r.CQ.Poll(dst)
			for _, wc := range dst[:n] { // wherever in a batch it is
				if wc.WRID%500 == 0 {
					last = []hwcq.WC{wc}
				}
			}
			return n
		}
	}},
	{name: "loses one in a thousand", finds: "stress", spoil: func(r *rig) {
		r.poll = func(dst []hwcq.WC) int {
			n := r.CQ.Poll(dst)
			if i := slices.IndexFunc(dst[:n], func(wc hwcq.WC) bool { return wc.WRID%1000 == 0 }); i >= 0 {
				copy(dst[i:n], dst[i+1:n])
				n--
			}
			return n
		}
	}},
	{name: "loses an event in a hundred", finds: "stress", cfg: mock.Config{Faults: mock.Faults{LoseEvent: mock.Rule{Prob: 0.01}}}},

	// The scripts of mock.Faults that break the interface. EarlyEvent does
	// too, but in a window that cannot be forced from outside.
	{name: "mock: LoseEvent", finds: "arm/event", cfg: mock.Config{Faults: mock.Faults{LoseEvent: mock.Once(5)}}},
	{name: "mock: DuplicateEvent", finds: "arm/one-shot", cfg: mock.Config{Faults: mock.Faults{DuplicateEvent: mock.Always()}}},
	{name: "mock: ArmError", finds: "arm/event", cfg: mock.Config{Faults: mock.Faults{ArmError: mock.Once(3)}}},
	{name: "mock: ErrorWC", finds: "poll/order", cfg: mock.Config{Faults: mock.Faults{ErrorWC: mock.Once(3)}}},
	{name: "mock: Overrun", finds: "poll/order", cfg: mock.Config{Faults: mock.Faults{Overrun: mock.Once(3)}}},
	{name: "mock: Remove", finds: "poll/order", cfg: mock.Config{Faults: mock.Faults{Remove: mock.Once(3)}}},
}

// driverOf is the driver of a broken CQ. Its patience is short: what must
// happen does not.
func (b broken) driver(t *testing.T) Driver {
	d := b.claim
	d.Patience, d.Quiet = 300*time.Millisecond, time.Millisecond
	d.Open = func(depth int) (*Bed, error) {
		r := newRig(t, b.cfg, depth)
		if b.spoil != nil {
			b.spoil(r)
		}
		return r.b, nil
	}
	return d
}

func named(t *testing.T, name string) property {
	for _, p := range properties() {
		if p.name == name {
			return p
		}
	}
	t.Fatalf("no property %q", name)
	return property{}
}

// Each broken CQ fails the property that is about it.
func TestSuiteFindsBrokenCQs(t *testing.T) {
	for _, b := range slices.Concat(brokens, brokenHere) {
		t.Run(b.name, func(t *testing.T) {
			d := b.driver(t)
			d.Short = true // what that finds more rounds find
			failures := verify(d, named(t, b.finds))
			require.NotEmpty(t, failures, "property %q passes", b.finds)
			t.Log(strings.Join(failures, "\n"))
		})
	}
}

// A property that no broken CQ fails would test nothing.
func TestEveryPropertyFindsSomething(t *testing.T) {
	found := map[string]bool{}
	for _, b := range slices.Concat(brokens, brokenHere, brokenBound) {
		found[b.finds] = true
	}
	for _, p := range properties() {
		if p.name == "allocations" && raceEnabled {
			continue
		}
		require.True(t, found[p.name] || runtime.GOOS != "linux", "no broken CQ for %q", p.name)
		require.NotEmpty(t, p.where)
	}
}

// The rig itself is sound, with guards and without.
func TestSuitePassesSoundCQ(t *testing.T) {
	for _, guards := range []bool{false, true} {
		Run(t, Driver{Quiet: time.Millisecond, GuardsPoll: guards, GuardsWait: guards, Open: func(depth int) (*Bed, error) {
			r := newRig(t, mock.Config{}, depth)
			var polling, waiting sync.Mutex
			if guards {
				r.poll = func(dst []hwcq.WC) int {
					if !polling.TryLock() {
						return 0
					}
					defer polling.Unlock()
					return r.CQ.Poll(dst)
				}
				r.src.wait = func() (bool, error) {
					if !waiting.TryLock() {
						return false, hwcq.ErrBusy
					}
					defer waiting.Unlock()
					return r.CQ.Events().Wait()
				}
			}
			spurious := &tally{}
			r.b.Spurious = func() error { spurious.add(1); return nil }
			r.src.try = func() (bool, error) {
				if spurious.load() > 0 {
					spurious.add(-1)
					return true, nil
				}
				return r.CQ.Events().TryWait()
			}
			return r.b, nil
		}})
	}
}

// An exception does not fail, and must name a property.
// A busy host, on which whoever calls Wait gets there long after a Wake that was meant for
// him: no wrong of the CQ.
func TestSecondWaiterComesLate(t *testing.T) {
	d := Driver{Quiet: time.Millisecond, Patience: 10 * time.Second, GuardsWait: true, Open: func(depth int) (*Bed, error) {
		r := newRig(t, mock.Config{}, depth)
		inside := make(chan struct{}, 1)
		r.src.wait = func() (bool, error) {
			time.Sleep(5 * time.Millisecond)
			select {
			case inside <- struct{}{}:
				defer func() { <-inside }()
				return r.CQ.Events().Wait()
			default:
				return false, hwcq.ErrBusy
			}
		}
		return r.b, nil
	}}
	require.Empty(t, verify(d, named(t, "source/second waiter")))
}

// A check that goes on getting completions does not hang, however slowly they come.
func TestSlowIsNotHung(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := Driver{Patience: time.Second, Open: func(depth int) (*Bed, error) { return newRig(t, mock.Config{}, depth).b, nil }}
		require.Empty(t, verify(d, property{name: "slow", check: func(x *x) {
			x.open(8)
			for range 30 {
				x.expect(x.complete(1), 1)
				time.Sleep(9 * time.Second)
			}
		}}))
		stay := make(chan struct{})
		found := verify(d, property{name: "hung", check: func(x *x) { <-stay }})
		require.Len(t, found, 1)
		require.Contains(t, found[0], "hangs:")
		close(stay)
	})
}

func TestExcept(t *testing.T) {
	b := broken{spoil: func(r *rig) {
		r.arm = func(s bool) (bool, error) { _, err := r.CQ.Arm(s); return false, err }
	}}
	d := b.driver(t)
	d.Patience = 0
	d.Except = map[string]string{"arm/missed": "for this test"}
	Run(t, d)
	d.Except = map[string]string{"no such": "typo"}
	_, _, err := plan(d)
	require.ErrorContains(t, err, "no such")
}

// What is known to fail is not waited for as long as what must not.
func TestExceptIsNotPatient(t *testing.T) {
	p := property{name: "arm/event", check: func(x *x) {
		require.Less(t, x.d.Patience, 2*time.Second)
		x.until("something that never happens", func() bool { return false })
	}}
	require.NotEmpty(t, verify(Driver{}.patient(false), p))
	require.Equal(t, 30*time.Second, Driver{}.patient(true).withDefaults().Patience)
}

// Short makes fewer rounds. That they are enough shows TestSuiteFindsBrokenCQs.
func TestShort(t *testing.T) {
	short := &x{d: Driver{Short: true}}
	require.Equal(t, []int{6, 1, 1}, []int{short.rounds(30), short.rounds(5), short.rounds(1)})
}

func TestBadDrivers(t *testing.T) {
	mine := errors.New("mine")
	for want, spoil := range map[string]func(d *Driver, r *rig){
		"Open is nil":       func(d *Driver, _ *rig) { d.Open = nil },
		"mine":              func(d *Driver, _ *rig) { d.Open = func(int) (*Bed, error) { return nil, mine } },
		"needs a CQ":        func(_ *Driver, r *rig) { r.b.Complete = nil },
		"Solicited":         func(_ *Driver, r *rig) { r.b.Solicited = nil },
		"no Bed.Overrun":    func(_ *Driver, r *rig) { r.b.Overrun = nil },
		"closing the CQ: m": func(_ *Driver, r *rig) { r.closing = func() error { return mine } },
	} {
		r := newRig(t, mock.Config{}, 1)
		d := Driver{Open: func(int) (*Bed, error) { return r.b, nil }}
		spoil(&d, r)
		_, _, err := plan(d)
		require.ErrorContains(t, err, want)
	}
}

// What is not checked is said.
func TestUntestedIsListed(t *testing.T) {
	r := newRig(t, mock.Config{}, 1)
	r.b.Fail, r.b.Remove = nil, nil
	todo, untested, err := plan(Driver{Open: func(int) (*Bed, error) { return r.b, nil }})
	require.NoError(t, err)
	all := strings.Join(untested, "\n")
	for _, s := range []string{"the bed has no Fail, Remove, Spurious", "failed completion/solicited", "removal/waiter"} {
		require.Contains(t, all, s)
	}
	names := map[string]int{}
	for _, p := range properties() {
		names[p.name]++
	}
	require.Len(t, names, len(properties()), "names are unique")
	require.Less(t, len(todo), len(names))
	require.NotContains(t, slices.Collect(maps.Keys(names)), "")
}

// brokenHere need what not every build or platform has.
var brokenHere = func() (out []broken) {
	if !raceEnabled {
		out = append(out, broken{name: "Poll allocates", finds: "allocations", spoil: func(r *rig) {
			r.poll = func(dst []hwcq.WC) int { garbage = make([]byte, 64); return r.CQ.Poll(dst) }
		}}, broken{name: "Arm allocates", finds: "allocations", spoil: func(r *rig) {
			r.arm = func(s bool) (bool, error) { garbage = make([]byte, 64); return r.CQ.Arm(s) }
		}})
	}
	if _, err := os.Stat("/proc/self/fd"); err == nil {
		out = append(out, broken{name: "leaks a descriptor", finds: "close/leaks", spoil: func(r *rig) {
			r.closing = sync.OnceValue(func() error {
				f, err := os.Open(os.DevNull)
				leaked = append(leaked, f)
				return errors.Join(err, r.CQ.Close())
			})
		}})
	}
	return out
}()

var leaked []*os.File
