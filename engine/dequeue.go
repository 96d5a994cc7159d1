package engine

// Dequeue moves up to len(dst) pending events into dst and returns how many.
// Each event is handed out exactly once, to one Dequeue, one Wait or one
// upcall; the order is kept for a caller who does not run two Dequeues at once.
//
// 0 with a nil error means empty. 0 with ErrBusy means that nothing could be
// handed out now and that the EVD may not be empty: another consumer is taking
// (and only he knows whether he leaves anything), a producer is between
// reserving and committing, or a completion has just arrived. Try again, or
// enable upcalls and let them be told.
//
// ErrWaiter means that a waiter has the EVD to itself.
//
// It never blocks and never allocates.
// Concurrency: from any goroutine. Inside an upcall use Upcall.Dequeue.
func (d *EVD) Dequeue(dst []Event) (int, error) { return d.dequeue(dst, true) }

func (d *EVD) dequeue(dst []Event, outside bool) (int, error) {
	const op = "engine: Dequeue"
	if err := d.valid(op); err != nil {
		return 0, err
	}
	if len(dst) == 0 {
		return 0, nil
	}
	for {
		s := d.load()
		if s&bCLOSE != 0 {
			return 0, d.closedErr(op)
		}
		if s&bOWN != 0 {
			return 0, d.waiterErr(op)
		}
		if s&bTAKE != 0 {
			return 0, ErrBusy
		}
		if d.word.CompareAndSwap(uint64(s), uint64(s|bTAKE)) { // [Q] as [R3]
			break
		}
	}
	n := d.take(dst)
	d.stats.dequeued.Add(uint64(n))
	d.release(outside)
	if d.e.tracing&(TraceAPI|TraceCompletion) != 0 {
		d.traceTaken("evd_dequeue", dst[:n])
	}
	if n == 0 && d.pending() {
		return 0, ErrBusy
	}
	return n, nil
}
