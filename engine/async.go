package engine

import (
	"errors"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/internal/param"
)

// alarm is an async error that an EVD can have.
type alarm uint8

const (
	alarmOverflow alarm = iota
	alarmProvider
	alarmArm
	alarmOverrun
	alarmPanic
	alarmRemoved
	alarmLost
	alarmStuck
	alarmUnrouted
	alarmQP
	alarmPortDown
	alarmPortUp
	numAlarms
)

var alarmNumbers = [numAlarms]EventNumber{
	EVDOverflow, ProviderError, ArmFailure, CQOverrun, UpcallPanic, DeviceRemoved, LostInterrupt, StuckUpcall, Unrouted,
	EndpointBroken, PortDown, PortUp,
}

// alarms are the slots of one EVD on the async EVD: one for each number, so
// that none is ever without a place; what happens again before it was delivered
// is counted.
type alarms [numAlarms]notice

// Async returns the EVD of async errors: what goes wrong and nobody's call can
// return. It belongs to the engine, has stream Async and no ring to speak of:
// each EVD has a reserved place for each number, and Event.Count tells how often
// it happened. Dequeue or Wait, or give it an upcall (ModifyUpcall, or
// Config.AsyncUpcall). It is closed by Engine.Close, after all others.
func (e *Engine) Async() *EVD {
	if e == nil {
		return nil
	}
	return e.async
}

func (e *Engine) newAsync() *EVD {
	cfg := EVDConfig{
		Name: "async", Streams: Async, Capacity: 1, Dispatch: DispatchQueued,
		Upcall: e.cfg.AsyncUpcall, Leftovers: e.cfg.AsyncLeftovers,
	}
	if cfg.Upcall != nil {
		cfg.Policy = SingleInstance
	}
	d, err := e.newEVD(cfg)
	if err != nil {
		panic(err) // of an unused engine with a valid configuration
	}
	return d
}

// slots returns d's places for async errors, making them if there are none.
func (d *EVD) slots() *alarms {
	s := d.alarms.Load()
	if s == nil {
		s = &alarms{}
		for i := range s {
			s[i].ev = Event{Stream: Async, Number: alarmNumbers[i], SrcQP: d.id}
		}
		if !d.alarms.CompareAndSwap(nil, s) {
			s = d.alarms.Load()
		}
	}
	return s
}

// alarm raises an async error about d, or its CQ number cq.
func (d *EVD) alarm(a alarm, cq uint16) {
	s := d.slots()
	d.e.trace(TraceAsync, "async_error", "event", alarmNumbers[a], "evd", d, "cq", cq)
	s[a].cq.Store(uint32(cq)) // before the count: pairs with the Swap [N2]
	d.e.async.raise(&s[a])
}

// alarmQP is alarm about a queue pair.
func (d *EVD) alarmQP(cq uint16, qp uint32) {
	d.slots()[alarmQP].qp.Store(qp) // before the count, as the CQ's number
	d.alarm(alarmQP, cq)
}

// ReportAsync raises an async error about this EVD that a driver or device has
// told of in its own way: ProviderError, CQOverrun or DeviceRemoved. For any
// goroutine. (A driver whose CQs are hwcq.AsyncNotifiers needs nobody to call this.)
func (d *EVD) ReportAsync(n EventNumber) error {
	const op = "engine: ReportAsync"
	if err := d.valid(op); err != nil {
		return err
	}
	switch n {
	case ProviderError:
		d.alarm(alarmProvider, 0)
	case CQOverrun:
		d.alarm(alarmOverrun, 0)
	case DeviceRemoved:
		d.alarm(alarmRemoved, 0)
	default:
		return param.Invalid(op, "n", n, "ProviderError, CQOverrun or DeviceRemoved")
	}
	return nil
}

// noteArm counts an arm, and tells of a failure.
func (d *EVD) noteArm(l *link, err error) {
	switch {
	case err == nil:
		l.stats.arms.Add(1)
		if d.e.tracing&TraceCQ != 0 {
			d.e.trace(TraceCQ, "cq_arm", "evd", d, "cq", l.index, "solicited_only", l.solic)
		}
		return
	case errors.Is(err, ErrClosed):
		l.stats.armErrs.Add(1)
		return // whoever closes a CQ under its EVD knows
	}
	l.stats.armErrs.Add(1)
	d.e.trace(TraceCQ, "cq_arm", "evd", d, "cq", l.index, "error", err)
	d.cqFailed(l, err, alarmArm)
}

// cqFailed raises the async error for err, other if it is not the CQ's end.
func (d *EVD) cqFailed(l *link, err error, other alarm) {
	a, end, told := l.fail(err, other)
	if told {
		return
	}
	d.alarm(a, l.index)
	if end {
		d.wakeWaiter() // there may be nothing left to wait for
	}
}

// fail answers which alarm err is, and whether it is the end of the CQ, which is
// told of once.
func (l *link) fail(err error, other alarm) (a alarm, end, told bool) {
	switch {
	case errors.Is(err, hwcq.ErrRemoved):
		a = alarmRemoved
	case errors.Is(err, hwcq.ErrOverrun):
		a = alarmOverrun
	case errors.Is(err, hwcq.ErrCorrupt):
		a = alarmProvider
	default:
		return other, false, false
	}
	return a, true, l.failed.Swap(uint32(a)+1) != 0
}

// failure returns why the CQ is of no use any more, nil if it is.
func (l *link) failure() error {
	switch l.failed.Load() {
	case uint32(alarmRemoved) + 1:
		return hwcq.ErrRemoved
	case uint32(alarmOverrun) + 1:
		return hwcq.ErrOverrun
	case uint32(alarmProvider) + 1:
		return hwcq.ErrCorrupt
	}
	return nil
}

// isEnd reports whether err, of an event source, is the end of the CQ: what is
// there is delivered, and nothing comes any more.
func isEnd(err error) bool {
	return errors.Is(err, hwcq.ErrRemoved) || errors.Is(err, hwcq.ErrCorrupt)
}

// deaf returns why no event can come any more: the streams are those of CQs
// only, all of them have failed, and no pump has anything on the way.
func (d *EVD) deaf() (err error) {
	if d.streams&^(DTO|Bind) != 0 {
		return nil
	}
	for _, l := range d.links() {
		if l.port != nil && l.port.routes.Load() == 0 {
			continue // what it has is all
		}
		if err = l.failure(); err == nil {
			return nil
		}
	}
	// Nothing comes to the CQs any more. What is there or on its way is looked
	// for in the order in which it moves; whoever asks counts the ring afterwards.
	for _, p := range d.pumps() {
		if p.link.cq.Pending() || p.holds.Load() {
			return nil
		}
	}
	for _, l := range d.direct() {
		if l.port != nil && l.port.expecting() {
			return nil
		}
	}
	return err
}
