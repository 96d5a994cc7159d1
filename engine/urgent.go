package engine

import "github.com/evdengine/evd/ring"

// postUrgent is transition [O5]: an event of the connection manager's goes to the
// list that is taken before ring and CQs. The caller triggers.
//
// The mark is up exactly while the list is not empty, for whoever has the lock: a
// direct hand-off keeps away, or it would go ahead of an event that its own poster
// has put there. What a Close has begun to hand out is not added to: CLOSE is in the
// word before it asks for the lock.
func (d *EVD) postUrgent(ev *Event) ring.Status {
	sd := d.needSide()
	sd.mu.Lock()
	defer sd.mu.Unlock()
	if d.load()&bCLOSE != 0 {
		return ring.Closed
	}
	if sd.urgent.len() >= d.ring.Cap() {
		return ring.Full
	}
	sd.urgent.push(ev)
	sd.n.Add(1) // before the trigger, as [N3]
	d.flags.Or(fUrgent)
	d.stats.urgent.Add(1)
	return ring.OK
}

// takeUrgent takes from the list; the mark falls with the last. TAKE must be held.
func (sd *side) takeUrgent(d *EVD, dst []Event) (n int) {
	if d.flags.Load()&fUrgent == 0 {
		return 0
	}
	sd.mu.Lock()
	defer sd.mu.Unlock()
	return sd.popUrgent(d, dst)
}

// popUrgent is takeUrgent under sd.mu.
func (sd *side) popUrgent(d *EVD, dst []Event) (n int) {
	n = sd.urgent.pop(dst)
	if sd.urgent.len() == 0 {
		d.flags.And(^fUrgent)
	}
	sd.n.Add(-int32(n))
	return n
}
