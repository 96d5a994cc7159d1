package ranks

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/evdengine/evd/bench"
	"github.com/evdengine/evd/bench/result"
)

const (
	// lateTime is how much longer than the stall limit a rank may take to tell what it
	// has measured, when something went wrong.
	lateTime = 5 * time.Second
	// hastyTime is all there is when this rank itself was interrupted: mpirun kills its
	// ranks a second after it has asked them to end.
	hastyTime = 700 * time.Millisecond
	// causeTime is how long a better reason than a connection that ended is waited for.
	causeTime = 500 * time.Millisecond
)

// tell sends to all others, but to those that are lost.
func (g *Group) tell(kind string) {
	for r, w := range g.wires {
		if w == nil || g.lost[r] != nil {
			continue
		}
		_ = w.send(message{Kind: kind}) // who reads from it learns more
	}
}

// Measure has all ranks run their flows, at once, and returns the whole of it and
// each one's part. Of rank 0.
//
// The error is about a run that did not take place. A rank that dies later, and
// messages that are lost, stand in the report. When ctx is cancelled the run ends
// early, and the report says so.
func (g *Group) Measure(ctx context.Context) (*bench.Report, []result.Node, error) {
	for r, err := range g.lost {
		return nil, nil, &LostError{r, err}
	}
	own, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	g.tell(msgOpen)
	m := &measurement{
		g: g, p: g.start(own), cancel: cancel, left: g.place.Size, waiting: g.place.Size,
		parts: make([][]side, g.place.Size), has: make([]bool, g.place.Size),
		late: time.NewTimer(g.cfg.Wait),
	}
	defer m.late.Stop()
	if err := m.run(ctx); err != nil {
		cancel()
		<-m.p.done
		return nil, nil, g.refuse(err)
	}
	return m.merge()
}

// measurement is rank 0's view of one.
type measurement struct {
	g       *Group
	p       *part
	cancel  context.CancelFunc
	waiting int // ranks that are not ready
	left    int // ranks that have not given their part
	parts   [][]side
	has     []bool
	late    *time.Timer
	cause   error // the first that kept it from beginning

	begun, stopped, interrupted, gaveUp bool
}

func (m *measurement) run(ctx context.Context) error {
	ready, done, interrupt := m.p.ready, m.p.done, ctx.Done()
	for m.left > 0 {
		select {
		case a := <-m.g.in:
			if err := m.hear(a); err != nil {
				return err
			}
		case <-ready:
			if ready = nil; m.p.failure() == nil {
				m.ready()
			}
		case <-done:
			done = nil
			if err := m.p.failure(); err != nil && !m.begun {
				if err := m.fail(fmt.Errorf("rank 0 on %s: %w", m.g.all[0].Host, err)); err != nil {
					return err
				}
				continue
			}
			m.take(0, m.p.sides)
		case <-interrupt:
			if interrupt = nil; !m.begun {
				return ctx.Err()
			}
			m.interrupted = true
			m.stop()
			m.late.Reset(hastyTime)
		case <-m.late.C:
			if m.cause != nil {
				return m.cause
			}
			if !m.begun {
				return m.unready()
			}
			m.giveUp()
		}
	}
	return nil
}

// giveUp goes on without the others that have not told by now, and the next time
// without rank 0's own part.
func (m *measurement) giveUp() {
	rest := m.has[1:]
	if m.gaveUp {
		rest = m.has
	}
	m.gaveUp = true
	for i, has := range rest {
		if r := i + len(m.has) - len(rest); !has && m.g.lost[r] == nil {
			m.lose(r, errors.New("it gave no result in time"))
		}
	}
	m.late.Reset(m.limit())
}

// limit is how long a rank may take to tell, when something went wrong.
func (m *measurement) limit() time.Duration {
	return m.g.cfg.Bench.WithDefaults().Stall + lateTime
}

// hear deals with what another rank says.
func (m *measurement) hear(a arrival) error {
	if a.err == nil && a.m.Kind == msgPart {
		a.err = m.g.sound(a.rank, a.m.Part)
	}
	switch {
	case a.err != nil:
		if !m.begun {
			return &LostError{a.rank, a.err}
		}
		m.lose(a.rank, a.err)
		m.stop()
	case a.m.Kind == msgReady:
		m.ready()
	case a.m.Kind == msgPart:
		m.take(a.rank, a.m.Part)
	case a.m.Kind == msgStop:
		if !m.begun {
			return context.Canceled
		}
		m.interrupted = true
		m.stop()
	case a.m.Kind == msgError:
		return m.fail(&refusal{fmt.Sprintf("rank %d on %s: %s", a.rank, m.g.all[a.rank].Host, a.m.Error), a.m.Class})
	}
	return nil
}

// fail is for what keeps the run from beginning. What one rank says may follow from
// what another has not said yet: an error that says what is missing is waited for.
func (m *measurement) fail(err error) error {
	if classOf(err) != "" {
		return err
	}
	if m.cause == nil {
		m.cause = err
		m.late.Reset(causeTime)
	}
	return nil
}

func (m *measurement) ready() {
	if m.waiting--; m.waiting != 0 {
		return
	}
	m.begun = true
	m.late.Stop()
	m.g.tell(msgBegin)
	close(m.p.begin)
}

func (m *measurement) unready() error {
	return fmt.Errorf("ranks: %d of %d ranks have not connected their flows within %v", m.waiting, m.g.place.Size, m.g.cfg.Wait)
}

// take keeps what a rank has measured. Trouble ends the run for the others.
func (m *measurement) take(rank int, sides []side) {
	if m.has[rank] {
		return
	}
	m.has[rank], m.parts[rank] = true, sides
	if m.g.lost[rank] == nil { // else it was not waited for any more
		m.left--
	}
	for _, s := range sides {
		if s.Report == nil || !s.Report.OK() || s.Report.Connection.Lost != "" {
			m.stop()
		}
	}
	if !m.stopped && m.left > 0 && stragglers(m.g.flows, m.has) {
		m.late.Reset(m.limit())
	}
}

// stragglers tells whether all that have not told yet are ranks whose flows have ended at
// the other end: they have nothing left to do but to tell.
func stragglers(flows []flow, has []bool) bool {
	for _, f := range flows {
		if !has[f.client] && !has[f.server] {
			return false
		}
	}
	return true
}

// sound says what is wrong with a part that a rank has told. What a rank says is not to
// be trusted with rank 0's life.
func (g *Group) sound(rank int, sides []side) error {
	seen := map[[2]int]bool{}
	for _, s := range sides {
		key := [2]int{s.Flow, 0}
		if s.Serving {
			key[1] = 1
		}
		switch {
		case s.Flow < 0 || s.Flow >= len(g.flows) || seen[key],
			s.Serving && g.flows[s.Flow].server != rank, !s.Serving && g.flows[s.Flow].client != rank:
			return fmt.Errorf("it told of flow %d, which it has no part in", s.Flow)
		case s.Report == nil:
		case s.Report.Connection == nil:
			return fmt.Errorf("its report of flow %v is not whole", g.flows[s.Flow])
		default:
			for kind, h := range s.Report.Histograms {
				if h == nil {
					return fmt.Errorf("its report of flow %v has no histogram %q", g.flows[s.Flow], kind)
				}
			}
		}
		seen[key] = true
	}
	return nil
}

// lose notes that a rank will say no more.
func (m *measurement) lose(rank int, err error) {
	if m.g.lost[rank] != nil {
		return
	}
	m.g.lost[rank] = err
	if !m.has[rank] {
		m.left--
	}
}

// stop ends the run early, in order.
func (m *measurement) stop() {
	if m.stopped {
		return
	}
	m.stopped = true
	m.g.tell(msgStop)
	m.cancel()
	m.late.Reset(m.limit())
}

// Follow does what rank 0 says until that is through. Of the other ranks.
//
// ErrTold: it did not take place, and rank 0 says why. A LostError: rank 0 has gone.
func (g *Group) Follow(ctx context.Context) error {
	g.ends.Go(func() { g.listen(0, g.root) })
	own, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	var p *part
	var ready, done chan struct{}
	var late <-chan time.Time
	begun := false
	interrupt := ctx.Done()
	for {
		select {
		case a := <-g.in:
			switch {
			case a.err != nil:
				cancel()
				if done != nil {
					<-done
				}
				return &LostError{0, a.err}
			case a.m.Kind == msgOpen:
				p, begun = g.start(own), false
				ready, done = p.ready, p.done
			case a.m.Kind == msgBegin && p != nil && !begun:
				begun = true
				close(p.begin)
			case a.m.Kind == msgStop:
				cancel()
			case a.m.Kind == msgError:
				return fmt.Errorf("%w: %s", ErrTold, a.m.Error)
			case a.m.Kind == msgBye:
				return nil
			}
		case <-ready:
			if ready = nil; p.failure() == nil {
				_ = g.root.send(message{Kind: msgReady}) // the reader notices
			}
		case <-done:
			done = nil
			m := message{Kind: msgPart, Part: p.sides}
			if err := p.failure(); err != nil && !begun {
				m = message{Kind: msgError, Error: err.Error(), Class: classOf(err)}
			}
			_ = g.root.send(m)
		case <-interrupt:
			interrupt = nil
			_ = g.root.send(message{Kind: msgStop})
			cancel()
			late = time.After(g.cfg.Bench.WithDefaults().Stall + lateTime)
		case <-late:
			return ctx.Err()
		}
	}
}

// Close lets the other ranks go, at rank 0, and releases everything.
func (g *Group) Close() error {
	g.tell(msgBye)
	close(g.gone)
	err := g.ln.Close()
	if g.root != nil {
		_ = g.root.conn.Close()
	}
	for _, w := range g.wires {
		if w != nil {
			_ = w.conn.Close()
		}
	}
	g.ends.Wait()
	for _, to := range g.calls { // who came for a flow that never began
		select {
		case conn := <-to:
			_ = conn.Close()
		default:
		}
	}
	return err
}
