package engine

import (
	"math/bits"

	"github.com/evdengine/evd/internal/atom"
)

// Stats is a snapshot of an EVD's counters since it was created. Counters are
// read one after the other: while the EVD is in use they need not add up. At
// rest they do:
//
//	Posted + Polled + Raised = Delivered + Dequeued + Leftover + pending
//
// Of what is pending only what is counted on the left: not completions that are on a
// CQ or wait in front of a full ring, nor connection events and async errors that
// nobody has taken.
//
// And, at rest:
//
//	Upcalls = the sum of Batches
type Stats struct {
	Posted    uint64 // events accepted by Post and PostCM
	Rejected  uint64 // posts refused with ErrFull
	Raised    uint64 // events that the engine made: connection events, async errors; counted when they are taken
	Polled    uint64 // completions taken from CQs
	Delivered uint64 // events handed to upcalls
	Upcalls   uint64 // upcall invocations
	Dequeued  uint64 // events handed out by Dequeue and Wait
	Waits     uint64 // Waits that succeeded
	Spilled   uint64 // of Posted: went to the list behind the ring (OverflowSpill)
	HighWater uint64 // the most events that were in ring and list at once; in use, off by what comes and goes meanwhile
	Leftover  uint64 // events handed to Leftovers by Close

	// What begins upcalls: a Post that runs one itself (Direct), a worker
	// (QueuedRuns, for a post or the rest of a run), a poller that polls
	// (PolledRuns), a poller that has had an event (Events without Spurious).
	// A run may deliver many batches.
	Direct     uint64 // of Posted: handed to the upcall without passing the ring
	QueuedRuns uint64 // runs that a worker took up
	Notified   uint64 // times a CNO was told: a waiter was given the EVD, or it went on the ready list
	HandOvers  uint64 // times the budget was used up and the rest handed on
	PolledRuns uint64 // runs of a poller that polls, which moved something; a little late

	Batches [NumBatches]uint64 // upcalls by how many events they got; see BatchBucket
	Ends    WaitEnds           // why Waits returned

	// The sums over the CQs; see CQStats.
	Arms, ArmErrors, Events, Spurious, Missed, Averted uint64
	Sleeps, Wakes, Retries, WaitErrs, Stalls           uint64
	LostInterrupts, Grown, Shrunk                      uint64

	Panics uint64 // upcalls that panicked
}

// WaitEnds counts why Waits returned; those that were refused at once are not in
// it.
type WaitEnds struct {
	Events     uint64 // enough events
	Time       uint64 // the latency of WaitBatch was over
	Context    uint64 // the context ended
	Woken      uint64 // EVD.Wake
	Unwaitable uint64 // EVD.SetUnwaitable
	Closed     uint64 // EVD.Close
	Dead       uint64 // nothing can come any more: all CQs have failed

	Spun   uint64 // of Events: they came while the waiter spun (EVDConfig.WaitMode)
	Parked uint64 // times a waiter went to sleep; one Wait may several times
}

// NumBatches is how many buckets Stats.Batches has.
const NumBatches = 14

// BatchBucket returns the sizes that bucket i of Stats.Batches counts: 0 (only
// with policy NotificationOnly), 1, 2, 3..4, 5..8, and so on up to 2049..4096.
// Buckets that do not exist are empty: 0, -1.
func BatchBucket(i int) (least, most int) {
	switch {
	case i < 0 || i >= NumBatches:
		return 0, -1
	case i < 2:
		return i, i
	}
	return 1<<(i-2) + 1, 1 << (i - 1)
}

// bucket is the one that counts upcalls with n events, 0..maxBatch.
func bucket(n int) int { return bits.Len(uint(2*n-1)) & 15 } // of 0: 64

// stats are the counters of an EVD; those of its CQs are with the links, and few EVDs
// have larger batches than one, or waiters: what counts these is made when it is
// needed. Those that are counted for each batch come last: the others keep them away
// from the word, see EVD.
type stats struct {
	rejected, leftover               atom.Counter
	handOvers, raised, waits, panics atom.Counter
	notified, spilled, urgent        atom.Counter
	ends                             atom.Pointer[waitEnds] // Writer: ended, once

	delivered atom.Counter
	direct    atom.Tally           // hand-offs of Post. Writer: the slot's holder
	bursts    atom.Pointer[bursts] // hand-offs of PostN; Writer: the slot's holder, once
	dequeued  atom.Counter
	high      atom.Counter          // most events in ring and list, seen before they were taken
	small     [2]atom.Counter       // upcalls with no event and with one
	larger    atom.Pointer[batches] // those with more; Writer: batch, once
}

type (
	waitEnds [numWaits]atom.Counter
	batches  [NumBatches - 2]atom.Counter

	// bursts counts what direct hand-offs have done besides those of Post: events that
	// PostN has handed to upcalls itself, those that were drained from the ring, and
	// upcalls by size. Writer: the slot's holder.
	bursts struct {
		events, drained atom.Tally
		sizes           [NumBatches]atom.Tally
	}
)

// batch counts an upcall with n events. Together with those of bursts they are how many
// upcalls there were, hand-offs of Post excepted.
func (st *stats) batch(n int) {
	i := bucket(n)
	if i < len(st.small) {
		st.small[i].Add(1)
		return
	}
	made(&st.larger)[i-len(st.small)].Add(1)
}

// upcallsOf counts k upcalls of bucket i.
func (st *stats) upcallsOf(i int, k uint64) {
	if i < len(st.small) {
		st.small[i].Add(k)
		return
	}
	made(&st.larger)[i-len(st.small)].Add(k)
}

// ended counts a Wait that ended with v, spun one that got its events while it spun,
// parked a sleep.
func (st *stats) ended(v verdict) { made(&st.ends)[v].Add(1) }
func (st *stats) spun()           { made(&st.ends)[waitsSpun].Add(1) }
func (st *stats) parked()         { made(&st.ends)[waitsParked].Add(1) }

// What waitEnds counts besides verdicts.
const (
	waitsSpun = numVerdicts + iota
	waitsParked
	numWaits
)

// made returns what p points to, made by the first.
func made[T any](p *atom.Pointer[T]) *T {
	if v := p.Load(); v != nil {
		return v
	}
	p.CompareAndSwap(nil, new(T))
	return p.Load()
}

// byPosters returns how many events direct hand-offs have handed to upcalls: without
// passing the ring, and from it.
func (st *stats) byPosters() (direct, drained uint64) {
	if b := st.bursts.Load(); b != nil {
		direct, drained = b.events.Load(), b.drained.Load()
	}
	return direct + st.direct.Load(), drained
}

// sizes is Stats.Batches without hand-offs of Post.
func (st *stats) sizes() (n [NumBatches]uint64) {
	for i := range st.small {
		n[i] = st.small[i].Load()
	}
	if l := st.larger.Load(); l != nil {
		for i := range l {
			n[len(st.small)+i] = l[i].Load()
		}
	}
	if b := st.bursts.Load(); b != nil {
		for i := range b.sizes {
			n[i] += b.sizes[i].Load()
		}
	}
	return n
}

// waitEnds is Stats.Ends.
func (st *stats) waitEnds() (w WaitEnds) {
	e := st.ends.Load()
	if e == nil {
		return w
	}
	return WaitEnds{
		Events:     e[reached].Load(),
		Time:       e[timedOut].Load(),
		Context:    e[ctxOver].Load(),
		Woken:      e[woken].Load(),
		Unwaitable: e[unwaitable].Load(),
		Closed:     e[closed].Load(),
		Dead:       e[deaf].Load(),
		Spun:       e[waitsSpun].Load(),
		Parked:     e[waitsParked].Load(),
	}
}

func (st *stats) upcalls() (n uint64) {
	for _, k := range st.sizes() {
		n += k
	}
	return n
}

// Stats returns the EVD's counters. For any goroutine. Of a nil EVD they are 0.
func (d *EVD) Stats() (s Stats) {
	if d.valid("") != nil {
		return s
	}
	st := &d.stats
	direct := st.direct.Load()
	handedOff, drained := st.byPosters()
	spilled, urgent := st.spilled.Load(), st.urgent.Load()
	pumped := uint64(0) // before Accepted: counted after it
	for _, p := range d.pumps() {
		pumped += p.link.stats.polled.Load()
	}
	s = Stats{
		Posted:     d.ring.Accepted() - pumped + handedOff + spilled + urgent,
		Rejected:   st.rejected.Load(),
		Raised:     st.raised.Load(),
		Delivered:  st.delivered.Load() + handedOff + drained,
		Upcalls:    direct,
		Dequeued:   st.dequeued.Load(),
		Waits:      st.waits.Load(),
		Spilled:    spilled,
		HighWater:  max(st.high.Load(), uint64(d.ring.Held()+d.spilled())),
		Leftover:   st.leftover.Load(),
		Direct:     handedOff,
		QueuedRuns: d.pops.Load(),
		HandOvers:  st.handOvers.Load(),
		Notified:   st.notified.Load(),
		Panics:     st.panics.Load(),
		Ends:       st.waitEnds(),
		Batches:    st.sizes(),
	}
	for _, n := range s.Batches {
		s.Upcalls += n
	}
	s.Batches[1] += direct
	src := d.src.Load()
	if src.gone != nil {
		s.add(src.gone)
	}
	for _, l := range src.links {
		s.addCQ(l.counters())
	}
	return s
}

func (s *Stats) addCQ(c CQStats) {
	s.Polled += c.Polled
	s.PolledRuns += c.PolledRuns
	s.Arms += c.Arms
	s.ArmErrors += c.ArmErrors
	s.Events += c.Events
	s.Spurious += c.Spurious
	s.Missed += c.Missed
	s.Averted += c.Averted
	s.Sleeps += c.Sleeps
	s.Wakes += c.Wakes
	s.Retries += c.Retries
	s.WaitErrs += c.WaitErrs
	s.Stalls += c.Stalls
	s.LostInterrupts += c.LostInterrupts
	s.Grown += c.Grown
	s.Shrunk += c.Shrunk
}

// add adds the counters of another EVD.
func (s *Stats) add(o *Stats) {
	s.Posted += o.Posted
	s.Rejected += o.Rejected
	s.Raised += o.Raised
	s.Delivered += o.Delivered
	s.Upcalls += o.Upcalls
	s.Dequeued += o.Dequeued
	s.Waits += o.Waits
	s.Spilled += o.Spilled
	s.HighWater = max(s.HighWater, o.HighWater)
	s.Leftover += o.Leftover
	s.Direct += o.Direct
	s.QueuedRuns += o.QueuedRuns
	s.HandOvers += o.HandOvers
	s.Notified += o.Notified
	s.Panics += o.Panics
	for i := range s.Batches {
		s.Batches[i] += o.Batches[i]
	}
	s.Ends.Events += o.Ends.Events
	s.Ends.Time += o.Ends.Time
	s.Ends.Context += o.Ends.Context
	s.Ends.Woken += o.Ends.Woken
	s.Ends.Unwaitable += o.Ends.Unwaitable
	s.Ends.Closed += o.Ends.Closed
	s.Ends.Dead += o.Ends.Dead
	s.Ends.Spun += o.Ends.Spun
	s.Ends.Parked += o.Ends.Parked
	s.addCQ(CQStats{
		Polled: o.Polled, PolledRuns: o.PolledRuns, Arms: o.Arms, ArmErrors: o.ArmErrors,
		Events: o.Events, Spurious: o.Spurious, Missed: o.Missed, Averted: o.Averted,
		Sleeps: o.Sleeps, Wakes: o.Wakes, Retries: o.Retries, WaitErrs: o.WaitErrs,
		Stalls: o.Stalls, LostInterrupts: o.LostInterrupts, Grown: o.Grown, Shrunk: o.Shrunk,
	})
}
