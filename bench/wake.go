package bench

import (
	"fmt"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/evdengine/evd/engine"
	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/internal/spin"
)

// bell is a device that completes a request when it is told to, on a CQ whose poller
// sleeps.
//
// Concurrency: open and close beside nothing; ring from one goroutine at a time,
// completed from whoever runs the upcall.
type bell interface {
	open(s *session) (hwcq.CQ, error)
	// fill gives a completion the number of its request; nil: it has it.
	fill() func(*hwcq.WC)
	// each is how many completions a ring brings.
	each() uint64
	// ring makes and completes a request. Completions may come before it returns.
	ring() error
	// completed is told of each completion.
	completed(ev *engine.Event) error
	expected() uint64
	flush() error
	close() error
	raises() string // what the time begins with
	report(r *Report)
}

// wakeUp measures what it costs to be asleep. A goroutine, the device, waits until the
// poller has slept for a while and raises one event; it keeps its CPU until the upcall
// has run. So no two of the steps overlap, and the next round starts from rest.
type wakeUp struct {
	s     *session
	bell  bell
	cq    *countedCQ
	probe *probe
	pace  *pace // owner: the device's goroutine
	arms  *Hist // owner: the device's goroutine

	parts [numParts]*Hist // owner: the device's goroutine
	sum   float64         // owner: the device's goroutine; of all parts, ns
	awake uint64          // owner: the device's goroutine; rounds in which the poller did not sleep

	entered Ticks         // of the upcall. Writer: upcall. Reader: the device's goroutine, after come
	seen    stamps        // as entered
	come    atomic.Uint64 // completions that have come to the upcall
	each    uint64        // completions of a round
	last    part          // of the way to the upcall
	alone   bool          // there is one P: who waits must let others run
}

// mostAwake is how many rounds in a row the poller may be found awake.
const mostAwake = 10000

func newBell(cq string) bell {
	switch cq {
	case CQEventFD:
		return &eventBell{}
	case CQURing:
		return &ringBell{}
	case CQRXE, CQVerbs:
		return &rdmaBell{}
	}
	return &mockBell{}
}

func (l *wakeUp) open(s *session) (ec engine.EVDConfig, err error) {
	l.s, l.arms, l.pace = s, NewHist(), s.pace()
	l.alone, l.last = runtime.GOMAXPROCS(0) == 1, partDispatch
	if s.cfg.Dispatch == "queued" {
		l.last = partQueue
	}
	for _, p := range []part{partWake, partPoll, l.last} {
		l.parts[p] = NewHist()
	}
	l.bell = newBell(s.cfg.CQ)
	l.each = l.bell.each()
	cq, err := l.bell.open(s)
	if err != nil {
		return ec, err
	}
	l.cq = &countedCQ{CQ: cq}
	l.probe = newProbe(l.cq, s.clk)
	l.probe.fill = l.bell.fill()
	s.produce(1)
	ec = s.cfg.evd()
	ec.CQs = []hwcq.CQ{l.probe}
	ec.Upcall = l.upcall
	return ec, nil
}

func (l *wakeUp) start() error {
	l.s.goProduce("device", l.run)
	return nil
}

// run is the device's goroutine.
func (l *wakeUp) run(t *tag) {
	defer l.s.producerEnded()
	l.pace.begin(l.s.clk.Now())
	rung, inVain := uint64(0), 0
	for more := true; more; {
		t.see(l.s.phase.load())
		since, ok := l.rest()
		if !ok {
			return
		}
		l.s.phase.publish()
		raised := l.s.clk.Now()
		if err := l.bell.ring(); err != nil {
			l.s.fault("%v", err)
			return
		}
		if rung += l.each; !l.await(rung) {
			return
		}
		if l.seen.slept != since || l.seen.woke < raised {
			// Something else woke it meanwhile.
			if l.awake++; inVain < mostAwake {
				inVain++
				more = !l.pace.over(l.entered)
				continue
			}
			l.s.fault("the poller was awake %d times in a row when an event was raised", mostAwake)
			return
		}
		inVain = 0
		var record bool
		if record, more = l.pace.round(l.entered); record {
			l.record(raised)
		}
	}
}

// over tells whether the time is over at now, or the run.
func (p *pace) over(now Ticks) bool {
	return !p.warm && p.ticks != 0 && now-p.start >= p.ticks || p.stop.load() >= stopping
}

// rest waits until the poller has been asleep for as long as it is to, and returns
// since when it is. False: the run is over.
func (l *wakeUp) rest() (since Ticks, ok bool) {
	rest := l.s.clk.Ticks(l.s.cfg.Rest)
	// A timer is late by up to a millisecond: the rest of the time is polled.
	if nap := l.s.cfg.Rest - 2*time.Millisecond; nap > 0 {
		time.Sleep(nap)
	}
	for turn := 1; l.s.phase.load() < stopping; turn++ {
		since, ok = l.probe.asleep()
		if ok && l.s.clk.Now()-since >= rest {
			return since, true
		}
		l.pause(turn)
	}
	return 0, false
}

// await waits until n completions have come to the upcall.
func (l *wakeUp) await(n uint64) bool {
	for turn := 1; l.come.Load() < n; turn++ {
		if turn%1024 == 0 {
			select {
			case <-l.s.gone:
				return false
			default:
			}
		}
		l.pause(turn)
	}
	return true
}

// pause is a turn of waiting. Whoever waits keeps his CPU, as a device that is no
// goroutine would, and lets others run now and then.
func (l *wakeUp) pause(turn int) {
	if l.alone || turn%4096 == 0 {
		runtime.Gosched()
		return
	}
	spin.Pause()
}

func (l *wakeUp) upcall(u *engine.Upcall) {
	now := l.s.clk.Now()
	l.s.phase.load() // pairs with publish in run
	evs := u.Events()
	if l.come.Load()%l.each == 0 { // the first of a round
		l.entered, l.seen = now, l.probe.taken
	}
	l.s.con.upcall(evs)
	for i := range evs {
		if err := l.bell.completed(&evs[i]); err != nil && !l.s.con.flushing.Load() {
			l.s.con.flushing.Store(true) // a QP in error flushes what is posted
			l.s.fault("%v", err)
		}
	}
	l.s.con.done()
	l.come.Add(uint64(len(evs)))
}

// record takes a measured round apart. raised is when the event was.
func (l *wakeUp) record(raised Ticks) {
	l.pace.rec.record(l.entered, l.s.clk.Nanos(l.entered-raised))
	l.arms.Record(l.s.clk.Nanos(l.seen.armed - l.seen.arming))
	l.part(partWake, l.seen.woke-raised)
	l.part(partPoll, l.seen.taken-l.seen.woke)
	l.part(l.last, l.entered-l.seen.taken)
}

func (l *wakeUp) part(p part, d Ticks) {
	ns := l.s.clk.Nanos(d)
	l.parts[p].Record(ns)
	l.sum += float64(ns)
}

func (l *wakeUp) expected() uint64 { return l.bell.expected() }
func (l *wakeUp) flush() error     { return l.bell.flush() }
func (l *wakeUp) close() error     { return l.bell.close() }

func (l *wakeUp) report(r *Report) {
	r.Measures = fmt.Sprintf("wake-up: from %s, on a CQ that is armed and whose poller has been asleep for %v, to the entry of the upcall",
		l.bell.raises(), l.s.cfg.Rest)
	reportLatency(r, l.pace)
	l.bell.report(r)
	l.cq.report(r)
	l.stages(r)
	if l.awake > 0 {
		r.Warnings = append(r.Warnings, fmt.Sprintf(
			"in %d rounds something else woke the poller before the event: they are not counted", l.awake))
	}
}

// stages reports the split. The arm comes before the event, and is no part of the
// latency; but it is part of the price of a sleep.
func (l *wakeUp) stages(r *Report) {
	n := l.arms.Count()
	if n == 0 {
		return
	}
	st := &Stages{Whole: r.Results.Latency.Mean, Sum: l.sum / float64(n), Cost: 2 * float64(l.s.clk.Cost())}
	add := func(name string, h *Hist, apart bool) {
		x := Stage{Name: name, Time: h.Summary(r.Config.stagePercentiles()...), Apart: apart}
		x.PerOp = x.Time.Mean
		st.Parts = append(st.Parts, x)
		r.keep(stagePrefix+name, h)
	}
	add(partNames[partArm], l.arms, true)
	for p, h := range l.parts {
		if h != nil {
			add(partNames[p], h, false)
		}
	}
	r.Stages = st
}
