package engine

import (
	"context"
	"slices"

	"github.com/evdengine/evd/hwcq"
)

// sources are the CQs of an EVD. They are replaced, never changed: by Join and
// leaving, under places.mu. Whoever works with older ones misses only a port that
// was armed before anything could come to it, or finds one that is empty for good.
type sources struct {
	links  []*link
	direct []*link // those that feed the EVD itself, ports among them; the others feed pumps
	pumps  []*pump
	gone   *Stats // what ports that are not among them any more had counted; nil: nothing
}

// noSources are those of an EVD without CQs.
var noSources = &sources{}

func (d *EVD) links() []*link  { return d.src.Load().links }
func (d *EVD) direct() []*link { return d.src.Load().direct }
func (d *EVD) pumps() []*pump  { return d.src.Load().pumps }

// addPort gives the EVD one more source, and arms it. Under places.mu.
//
// [H6] The port is among the sources, then it is armed, then the first completion
// is routed to it. So ARM stays true: whoever sets it from now on finds the port, and
// for one who has set it before, or trusts in it, the joiner has armed.
func (d *EVD) addPort(p *port) {
	old := d.src.Load()
	used := map[uint16]bool{}
	for _, l := range old.links {
		used[l.index] = true
	}
	for used[p.link.index] {
		p.link.index++
	}
	d.src.Store(&sources{links: append(old.links[:len(old.links):len(old.links)], &p.link), direct: append(old.direct[:len(old.direct):len(old.direct)], &p.link), pumps: old.pumps, gone: old.gone})
	_ = p.link.armWanted() // a port's arm cannot fail
}

// dropPorts takes those off to which nothing leads any more and in which nothing
// is left. Under places.mu.
func (d *EVD) dropPorts() {
	old := d.src.Load()
	live := func(links []*link) (out []*link) {
		for _, l := range links {
			if p := l.port; p == nil || p.routes.Load() > 0 || p.Pending() {
				out = append(out, l)
			}
		}
		return out
	}
	n := &sources{links: live(old.links), direct: live(old.direct), pumps: old.pumps, gone: old.gone}
	if len(n.links) == len(old.links) {
		return
	}
	gone := Stats{}
	if old.gone != nil {
		gone = *old.gone
	}
	for _, l := range old.links {
		if !slices.Contains(n.links, l) {
			gone.addCQ(l.counters())
		}
	}
	n.gone = &gone
	d.src.Store(n)
}

// portOn returns the EVD's port on s, nil if it has none. Under places.mu.
func (d *EVD) portOn(s *SharedCQ) *port {
	for _, l := range d.direct() {
		if l.port != nil && l.port.s == s {
			return l.port
		}
	}
	return nil
}

// arrived waits until what is on the EVD's shared CQs has come to its ports.
func (d *EVD) arrived(ctx context.Context) error {
	for _, l := range d.direct() {
		if l.port == nil {
			continue
		}
		for mark := l.port.s.mark(); !l.port.clear(mark); pause(shutdownLook) {
			if err := ctx.Err(); err != nil {
				return err
			}
			l.port.s.hurry()
		}
	}
	return nil
}

// expecting reports whether something on a shared CQ may still come to the EVD.
func (d *EVD) expecting() bool {
	for _, l := range d.direct() {
		if l.port != nil && l.port.expecting() {
			return true
		}
	}
	return false
}

// drainPorts is the part of drain for what has come to the ports: it is on no CQ any
// more.
func (d *EVD) drainPorts(buf []Event, hand func(n int)) {
	wcs := make([]hwcq.WC, len(buf))
	for _, l := range d.direct() {
		for l.port != nil {
			n := l.port.Poll(wcs)
			if n == 0 {
				break
			}
			for i := range n {
				d.eventFromWC(&buf[i], &wcs[i], l.index)
			}
			hand(n)
		}
	}
}
