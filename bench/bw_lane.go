package bench

import (
	"slices"
	"time"

	"github.com/evdengine/evd/engine"
	"github.com/evdengine/evd/hwcq"
)

// lane is an EVD of a throughput run, its devices, and its consumer's part of the
// measurement.
type lane struct {
	b    *throughput
	u    *unit
	con  *consumer
	devs []device // one for each CQ
	cqs  []*countedCQ
	win  window // owner: whoever consumes
}

// newLane opens the devices of one more EVD.
func newLane(b *throughput) (*lane, error) {
	s, n := b.s, len(b.lanes)
	ln := &lane{b: b, win: window{clk: s.clk, cfg: s.cfg}}
	if n == 0 {
		ln.u = s.units[0]
	} else {
		ln.u = s.newUnit()
	}
	ln.con, ln.u.sink = ln.u.con, ln.sink
	b.lanes = append(b.lanes, ln)
	for i := range max(s.cfg.CQs, 1) {
		d := b.dev
		if n+i > 0 {
			d = &mockDevice{number: n*s.cfg.CQs + i}
		}
		ln.devs = append(ln.devs, d) // also if it does not open: it is closed
		if err := d.open(s, ln.u); err != nil {
			return nil, err
		}
		ln.cqs = append(ln.cqs, &countedCQ{CQ: d.cq()})
	}
	return ln, nil
}

func (ln *lane) config() engine.EVDConfig {
	ec := ln.b.s.cfg.evd()
	ec.CPU = ln.b.s.pins.pollerCPU(slices.Index(ln.b.lanes, ln))
	for _, cq := range ln.cqs {
		ec.CQs = append(ec.CQs, hwcq.CQ(cq))
	}
	ec.Upcall = ln.upcall
	return ec
}

func (ln *lane) upcall(u *engine.Upcall) {
	evs := u.Events()
	ln.b.slow.upcall(ln.b.s.clk)
	ln.con.upcall(evs)
	ln.consume(evs)
	b := ln.b
	if f := b.s.cfg.Flip; f > 0 && ln.con.upcalls%f == 0 && b.s.phase.load() < stopping {
		if err := u.ModifyUpcall(engine.Disable, engine.Same); err != nil {
			b.s.fault("flip: %v", err)
			return
		}
		b.turn <- struct{}{} // has room: there is no next upcall before the flipper enables it
	}
}

// sink is upcall for scenarios.
func (ln *lane) sink(how origin, evs []engine.Event) {
	ln.con.take(how, evs)
	ln.consume(evs)
}

// consume is what becomes of events, however they came out of the EVD.
func (ln *lane) consume(evs []engine.Event) {
	b := ln.b
	ph := b.s.phase.load()
	ln.win.note(len(evs), ph)
	if w := b.s.cfg.Warmup.Count; w > 0 && ph == warming && ln.con.Seen()*uint64(len(b.lanes)) >= w {
		b.measure()
	}
	if err := ln.completed(evs); err != nil {
		ln.con.flushing.Store(true) // a QP in error flushes what is posted
		b.s.fault("%v", err)
	}
	ln.con.done()
}

// completed tells each device of its own completions.
func (ln *lane) completed(evs []engine.Event) error {
	if len(ln.devs) == 1 {
		return ln.devs[0].completed(evs)
	}
	for len(evs) > 0 {
		n, cq := 1, evs[0].CQ
		for n < len(evs) && evs[n].CQ == cq {
			n++
		}
		if err := ln.devs[cq].completed(evs[:n]); err != nil {
			return err
		}
		evs = evs[n:]
	}
	return nil
}

// nurse looks after devices that drop completions: when all that was in flight is gone,
// no upcall comes that would make more.
func (ln *lane) nurse(*tag) {
	t := time.NewTicker(time.Millisecond)
	defer t.Stop()
	for {
		select {
		case <-t.C:
		case <-ln.b.s.gone:
			return
		}
		ln.u.exclusively(func() {
			for _, d := range ln.devs {
				if err := d.completed(nil); err != nil {
					ln.b.s.fault("%v", err)
				}
			}
		})
	}
}
