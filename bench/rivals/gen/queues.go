package main

import "fmt"

const (
	copyRing = `ring.New[T](size - size/8)` // the slots of the others; the slack is what makes it fast
	popReady = `for k < len(vs) {
			s := r.Ready(len(vs) - k)
			if len(s) == 0 {
				break
			}
			for j := range s {
				sum += *number(&s[j])
			}
			r.Advance(len(s))
			k += len(s)
		}`
	peek = `p := r.TryPeek()
			if ok = p != nil; ok {
				x = *number(p)
				r.Advance(1)
			}`
	popInto = `k = r.PopN(vs)
		for j := range vs[:k] {
			sum += *number(&vs[j])
		}`
	fill = `for j := range vs {
			*number(&vs[j]) = i + uint64(j)
		}
		`
)

// queues are ours and the rivals that are written in Go.
var queues = []queue{
	{
		Type: "evdCopy", R: "*ring.MPSC[T]", New: must(copyRing),
		Push: "*number(&in) = i; ok = r.Push(&in) == ring.OK",
		Pop:  "ok = r.Pop(&out) == ring.Event; x = *number(&out)",

		PushN: fill + "ok = r.PushN(vs) == ring.OK",
		PopN:  popInto,
	},
	{
		Type: "evdTry", R: "*ring.MPSC[T]", New: must(copyRing),
		Push: "*number(&in) = i; ok = r.TryPush(&in)",
		Pop:  "ok = r.TryPop(&out); x = *number(&out)",
	},
	inPlace("evdInPlace", number, "Commit"),
	inPlace("evdInPlaceAll", whole, "Commit"),
	inPlace("evdRelease", number, "CommitRelease"),
	inPlace("evdReleaseAll", whole, "CommitRelease"),
	lane(inPlace("evdLane", number, "CommitRelease")),
	{
		Type: "evdLaneFence", R: "*ring.Lane[T]", New: must("ring.NewLane[T](size - size/8)"),
		Push:  "*number(&in) = i; ok = r.TryPush(&in)",
		Pop:   "ok = r.TryPop(&out); x = *number(&out)",
		PushN: fill + "ok = r.PushN(vs) == ring.OK",
		PopN:  popInto,
	},
	{
		Type: "goChan", R: "chan T", New: "make(chan T, size)",
		Push: `*number(&in) = i
			select {
			case r <- in:
				ok = true
			default:
				ok = false
			}`,
		Pop: `select {
			case out = <-r:
				ok, x = true, *number(&out)
			default:
				ok = false
			}`,
	},
	{
		Type: "xsyncMPMC", R: "*xsync.MPMCQueue[T]", New: "xsync.NewMPMCQueue[T](size)",
		Push: "*number(&in) = i; ok = r.TryEnqueue(in)",
		Pop:  "out, ok = r.TryDequeue(); x = *number(&out)",
	},
	{
		Type: "xsyncSPSC", R: "*xsync.SPSCQueue[T]", New: "xsync.NewSPSCQueue[T](size)",
		Push: "*number(&in) = i; ok = r.TryEnqueue(in)",
		Pop:  "out, ok = r.TryDequeue(); x = *number(&out)",
	},
	{
		Type: "xsyncUMPSC", R: "*xsync.UMPSCQueue[T]", New: "xsync.NewUMPSCQueue[T]()",
		Push: "*number(&in) = i; r.Enqueue(in); ok = true",
		Pop:  "out = r.Dequeue(); ok, x = true, *number(&out)",
	},
	{
		Type: "workiva", R: "*queue.RingBuffer", New: "queue.NewRingBuffer(uint64(size))", Boxes: true,
		Push: `p := &boxes[i&boxMask]
			*number(p) = i
			ok, _ = r.Offer(p)`,
		Pop: `if ok = r.Len() > 0; ok {
				v, err := r.Get()
				p, is := v.(*T)
				if ok = is && err == nil; ok {
					x = *number(p)
				}
			}`,
	},
	{
		Type: "mutexRing", R: "*baseline.MutexRing[T]", New: "baseline.NewMutexRing[T](size)",
		Push: "*number(&in) = i; ok = r.Push(&in)",
		Pop:  "ok = r.Pop(&out); x = *number(&out)",

		PushN: fill + "ok = r.PushN(vs)",
		PopN: `k = r.PopN(vs)
		for j := range vs[:k] {
			sum += *number(&vs[j])
		}`,
	},
}

// What a producer writes of the event at a place that is a pointer, and with what number.
const (
	number = "*number(%s) = %s"
	whole  = "whole(%s, %s)"
)

// inPlace is our ring, whose events are written and read where they lie.
func inPlace(typ, write, commit string) queue {
	return queue{
		Type: typ, R: "*ring.MPSC[T]", New: must(copyRing),
		Push: `c, got := r.TryReserve(1)
			if ok = got; ok {
				` + fmt.Sprintf(write, "r.Slot(c, 0)", "i") + `
				r.` + commit + `(c)
			}`,
		Pop: peek,
		PushN: `c, got := r.TryReserve(len(vs))
			if ok = got; ok {
				n := i
				for k := 0; k < c.Len(); {
					s := r.Slots(c, k)
					for j := range s {
						` + fmt.Sprintf(write, "&s[j]", "n") + `
						n++
					}
					k += len(s)
				}
				r.` + commit + `(c)
			}`,
		PopN: popReady,
	}
}

// lane is q with a lane for the ring, whose single events are copied out.
func lane(q queue) queue {
	q.R, q.New = "*ring.Lane[T]", must("ring.NewLane[T](size - size/8)")
	q.Pop = "ok = r.TryPop(&out); x = *number(&out)"
	return q
}

// must is for constructors that refuse sizes: those here are right.
func must(call string) string { return "must(" + call + ")" }
