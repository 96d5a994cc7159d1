package mock

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/internal/atom"
	"github.com/evdengine/evd/internal/param"
)

// ErrInjected is what Arm returns when Faults.ArmError hits and
// Faults.ArmErr is nil.
var ErrInjected = errors.New("mock: injected arm failure")

// Faults scripts what goes wrong. The zero value is a CQ without faults.
//
// Each rule counts the occurrences of its own occasion, from 1. Which
// occurrence hits depends on the rule, the CQ's seed and the count only, so a
// run with the same sequence of calls meets the same faults.
type Faults struct {
	// LoseEvent: an armed CQ is disarmed by a completion but its event is
	// never raised, as a lost interrupt. Occasion: an arm that fires.
	LoseEvent Rule

	// DuplicateEvent: the event is raised twice. Occasion: an arm that fires
	// and was not lost.
	DuplicateEvent Rule

	// DelayEvent: the event is raised Delay later. Occasion: as
	// DuplicateEvent, which it takes precedence over.
	DelayEvent Rule
	Delay      time.Duration

	// SpuriousEvent: an event is raised although the CQ was not armed for
	// the completion. Occasion: a publication that does not fire an arm.
	SpuriousEvent Rule

	// ArmError: Arm fails with ArmErr (nil: ErrInjected) and the arm word
	// stays as it was. Occasion: a call of Arm.
	ArmError Rule
	ArmErr   error `json:"-"`

	// EarlyEvent: the event overtakes its completion. The hardware looks at
	// the arm word, and raises the event, before the completion can be polled,
	// and not again after. A consumer who was quick has armed in vain: as after
	// a lost interrupt only a watchdog helps. Occasion: a completion offered.
	EarlyEvent Rule

	// ErrorWC: a completion gets the status ErrorStatus (zero:
	// hwcq.StatusRetryExcErr). Occasion: a completion offered.
	ErrorWC     Rule
	ErrorStatus hwcq.Status

	// Overrun: a completion finds the CQ full, whatever room there is; see
	// Config.FatalOverrun. With CompleteN those behind it are dropped too.
	// Occasion: a completion offered.
	Overrun Rule

	// Remove: the device goes right after the completion was stored, see
	// CQ.Remove. Occasion: a completion offered.
	Remove Rule
}

// Rule picks occurrences: those numbered First, First+1, ... (Count of them),
// and besides them each one with probability Prob. The zero Rule picks none.
type Rule struct {
	First uint64  // 1-based; 0: none by number
	Count uint64  // how many from First on; 0 means 1
	Prob  float64 // 0..1
}

// Always is a Rule that picks every occurrence.
func Always() Rule { return Rule{Prob: 1} }

// Once is a Rule that picks the nth occurrence only.
func Once(nth uint64) Rule { return Rule{First: nth, Count: 1} }

func (r Rule) validate(op, name string) error {
	if !(r.Prob >= 0 && r.Prob <= 1) { // also catches NaN
		return param.Invalid(op, name+".Prob", r.Prob, "0..1")
	}
	return nil
}

func (r Rule) never() bool { return r.First == 0 && r.Prob == 0 }

// hit tells whether occurrence n is picked. salt separates the rules of one
// seed from each other.
func (r Rule) hit(seed, salt, n uint64) bool {
	if r.First != 0 && n >= r.First && n-r.First < max(r.Count, 1) {
		return true
	}
	if r.Prob == 0 {
		return false
	}
	// 53 random bits as a fraction of 1: always below a Prob of 1.
	return float64(mix(seed, salt, n)>>11)/(1<<53) < r.Prob
}

func (f Faults) validate(op string) error {
	var err error
	if f.Delay < 0 {
		err = param.Invalid(op, "Faults.Delay", f.Delay, ">= 0")
	}
	if f.ErrorStatus > hwcq.StatusGeneralErr {
		err = errors.Join(err, param.Invalid(op, "Faults.ErrorStatus", int(f.ErrorStatus), fmt.Sprintf("0..%d", int(hwcq.StatusGeneralErr))))
	}
	return errors.Join(err,
		f.EarlyEvent.validate(op, "Faults.EarlyEvent"),
		f.ErrorWC.validate(op, "Faults.ErrorWC"),
		f.Overrun.validate(op, "Faults.Overrun"),
		f.Remove.validate(op, "Faults.Remove"),
		f.LoseEvent.validate(op, "Faults.LoseEvent"),
		f.DuplicateEvent.validate(op, "Faults.DuplicateEvent"),
		f.DelayEvent.validate(op, "Faults.DelayEvent"),
		f.SpuriousEvent.validate(op, "Faults.SpuriousEvent"),
		f.ArmError.validate(op, "Faults.ArmError"))
}

func (f Faults) none() bool {
	return !f.ofCompletions() && f.LoseEvent.never() && f.DuplicateEvent.never() && f.DelayEvent.never() &&
		f.SpuriousEvent.never() && f.ArmError.never()
}

// injector is the running state of Faults. A CQ without faults has none.
type injector struct {
	f    Faults
	seed uint64

	arms, fires, raises, quiet                   atom.Uint64  // occasions so far
	armErrors, lost, duplicated, delayed, forged atom.Counter // hits so far
	fates                                        fates

	mu     atom.Mutex
	late   map[uint64]*time.Timer
	nextID uint64
	closed bool
}

func newInjector(f Faults, seed uint64) *injector {
	if f.none() {
		return nil
	}
	if f.ArmErr == nil {
		f.ArmErr = ErrInjected
	}
	if f.ErrorStatus == hwcq.StatusSuccess {
		f.ErrorStatus = hwcq.StatusRetryExcErr
	}
	return &injector{f: f, seed: seed, late: map[uint64]*time.Timer{}}
}

// armError is called once per Arm.
func (in *injector) armError() error {
	if !in.f.ArmError.hit(in.seed, 1, in.arms.Add(1)) {
		return nil
	}
	in.armErrors.Add(1)
	return in.f.ArmErr
}

// fired raises, or does not, the event of an arm that fired.
func (in *injector) fired(ev *events) {
	if in.f.LoseEvent.hit(in.seed, 2, in.fires.Add(1)) {
		in.lost.Add(1)
		return
	}
	n := in.raises.Add(1)
	switch {
	case in.f.DelayEvent.hit(in.seed, 3, n):
		in.delayed.Add(1)
		in.raiseLater(ev)
	case in.f.DuplicateEvent.hit(in.seed, 4, n):
		in.duplicated.Add(1)
		ev.raise()
		ev.raise()
	default:
		ev.raise()
	}
}

// notFired is called for each publication that fired no arm.
func (in *injector) notFired(ev *events) {
	if in.f.SpuriousEvent.hit(in.seed, 5, in.quiet.Add(1)) {
		in.forged.Add(1)
		ev.raise()
	}
}

func (in *injector) raiseLater(ev *events) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.closed {
		return
	}
	id := in.nextID
	in.nextID++
	in.late[id] = time.AfterFunc(in.f.Delay, func() {
		in.mu.Lock()
		delete(in.late, id)
		closed := in.closed
		in.mu.Unlock()
		if !closed {
			ev.raise()
		}
	})
}

// close drops the events still on their way.
func (in *injector) close() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.closed = true
	for id, t := range in.late {
		t.Stop()
		delete(in.late, id)
	}
}

// mix hashes its arguments (the finaliser of splitmix64, Steele et al. 2014).
func mix(seed, salt, n uint64) uint64 {
	z := seed + salt*0x9e3779b97f4a7c15
	for _, w := range [2]uint64{n, math.MaxUint64 - salt} {
		z += w*0x9e3779b97f4a7c15 + 0x632be59bd9b4e019
		z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
		z = (z ^ z>>27) * 0x94d049bb133111eb
		z ^= z >> 31
	}
	return z
}
