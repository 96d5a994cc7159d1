package cqtest

import (
	"errors"
	"time"

	"github.com/evdengine/evd/hwcq"
)

// Driver adapts a CQ to the suite. Open is required, the zero value of all
// else is the strictest.
type Driver struct {
	// Open makes a new CQ that holds at least depth completions (1..1024), and
	// what drives it. The suite closes it. It is called many times, and never
	// twice at once.
	Open func(depth int) (*Bed, error)

	// Patience is how long something that must happen may take; 0 means 30 s.
	// A passing run never waits for it.
	Patience time.Duration

	// Quiet is the while that an event that must not come is given to come; 0
	// means 20 ms.
	Quiet time.Duration

	// Unordered says that completions may overtake each other. Otherwise they
	// must come in the order of Complete.
	Unordered bool

	// SpuriousEvents says that this CQ raises events without a cause, which
	// hwcq.EventSource calls normal. Otherwise the suite insists on at most one
	// event for an arm and none without.
	SpuriousEvents bool

	// GuardsPoll says that a Poll beside another is harmless: it finds nothing
	// or its share. Without it two goroutines only take turns.
	GuardsPoll bool

	// GuardsWait says that a Wait beside a blocked one returns hwcq.ErrBusy.
	// Without it there is never a second.
	GuardsWait bool

	// Short makes a fifth of the rounds of whatever is repeated, for a CQ whose
	// actions are slow, or a slow machine. Every property is checked all the
	// same, every kind of round comes; races have fewer chances to show.
	// testing.Short does the same.
	Short bool

	// Except lists the properties (names of subtests) that this CQ is known
	// not to have, each with the reason. They are checked all the same, and a
	// failure is logged with the reason; it is no failure of the test.
	Except map[string]string
}

// Bed is one open CQ and what drives it. The actions stand for the hardware.
// They are called by one goroutine at a time, but beside every method of the
// CQ, Close included; an error of an action fails the test unless the CQ is
// being closed. An action may return before its completions are visible.
type Bed struct {
	// CQ is what is tested. Required. If it is a hwcq.ThreadBound that says
	// true, the suite binds it to a thread of its own, and waits only there.
	CQ hwcq.CQ

	// Complete completes one request for each WRID, in this order,
	// successfully and unsolicited. Required. The suite leaves no more than
	// Capabilities().Depth of them unpolled.
	Complete func(wrids ...uint64) error

	// Fail completes a request with a status that is not success. nil: nothing
	// fails on this CQ.
	Fail func(wrid uint64) error

	// Solicited completes a request successfully and solicited. nil: the CQ
	// knows no such thing, and Capabilities().Solicited must be false.
	Solicited func(wrid uint64) error

	// Overrun is Complete with more completions than the CQ has room for. nil:
	// the CQ cannot be overrun, and Capabilities().Overrun must be
	// hwcq.OverrunRecoverable.
	Overrun func(wrids ...uint64) error

	// Spurious raises an event for nothing. nil: it cannot be made to.
	Spurious func() error

	// Remove takes the device away. nil: it cannot be.
	Remove func() error

	// Quiesce ends what completes into the CQ, where the driver wants that
	// before CQ.Close: queue pairs, for example. nil: nothing to do. It is
	// called once, by whoever calls CQ.Close next.
	Quiesce func() error

	// Release frees what else the bed holds, after CQ.Close. nil: nothing.
	Release func() error
}

// patient is the driver with its patience, or with little: what is known to
// fail mostly does so by not happening, and a failure more or less is not
// counted there.
func (d Driver) patient(yes bool) Driver {
	if !yes {
		d = d.withDefaults()
		d.Patience = min(d.Patience, max(50*d.Quiet, 200*time.Millisecond))
	}
	return d
}

func (d Driver) withDefaults() Driver {
	if d.Patience == 0 {
		d.Patience = 30 * time.Second
	}
	if d.Quiet == 0 {
		d.Quiet = 20 * time.Millisecond
	}
	return d
}

// lacks lists the actions that the bed does not offer and that no capability
// speaks of.
func (b *Bed) lacks() (out []string) {
	for name, absent := range map[string]bool{
		"Fail": b.Fail == nil, "Solicited": b.Solicited == nil, "Overrun": b.Overrun == nil,
		"Spurious": b.Spurious == nil, "Remove": b.Remove == nil,
	} {
		if absent {
			out = append(out, name)
		}
	}
	return out
}

// agree tells where the actions and the capabilities contradict each other.
func (b *Bed) agree(c hwcq.Capabilities) error {
	var errs []error
	if c.Solicited != (b.Solicited != nil) {
		errs = append(errs, errors.New("Capabilities().Solicited and Bed.Solicited contradict each other: a CQ that honours solicited-only arms needs the action, and no other has it"))
	}
	if b.Overrun == nil && c.Overrun != hwcq.OverrunRecoverable {
		errs = append(errs, errors.New("Capabilities().Overrun is "+c.Overrun.String()+" but there is no Bed.Overrun to show it"))
	}
	return errors.Join(errs...)
}
