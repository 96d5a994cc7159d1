package bench

import (
	"fmt"

	"github.com/evdengine/evd/engine"
	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/rxe"
)

// rxeDevice sends messages from one queue pair of this process to another,
// many in flight.
//
// A message is in flight until both its completions have come, so that never
// more messages are under way than receives are posted: the receiver-not-ready
// answer would stop the sender for 0.64 ms.
type rxeDevice struct {
	s        *session
	rig      *rxeRig
	from, to *rxeEnd
	share    share
	sent     uint64 // completions of sends
	ended    bool
}

func (d *rxeDevice) open(s *session, _ *unit) (err error) {
	d.s = s
	if d.rig, err = openRXE(s, 2, s.cfg.Outstanding, s.cfg.Outstanding); err != nil {
		return err
	}
	d.from, d.to = d.rig.ends[0], d.rig.ends[1]
	if err := d.to.postRecvs(s.cfg.Outstanding); err != nil {
		return err
	}
	return connectPair(d.from.qp, d.to.qp, rxe.ConnectConfig{})
}

func (d *rxeDevice) cq() hwcq.CQ { return d.rig.c }

func (d *rxeDevice) prime(b *throughput) error {
	d.share = b.share(d.from.sends)
	d.share.quota = (d.share.quota + 1) / 2 // a message is two events
	return d.send()
}

func (d *rxeDevice) completed(evs []engine.Event) error {
	recvs := 0
	for i := range evs {
		ev := &evs[i]
		if ev.Stream != engine.DTO || d.ended && ev.Status == hwcq.StatusWRFlushErr {
			continue
		}
		switch id, _ := SplitWRID(ev.WRID); {
		case ev.Status != hwcq.StatusSuccess:
			d.end()
			return d.from.failure(ev)
		case id == d.from.sends.ID:
			d.sent++
		case id == d.to.recvs.ID:
			recvs++
			if err := d.to.received(ev); err != nil {
				d.end()
				return err
			}
		default:
			return fmt.Errorf("a completion of no request: %#x", ev.WRID)
		}
	}
	if d.ended {
		return nil
	}
	if err := d.to.postRecvs(recvs); err != nil {
		d.end()
		return err
	}
	return d.send()
}

// send fills up the messages in flight.
func (d *rxeDevice) send() error {
	inFlight := d.from.sends.Accepted - min(d.sent, d.to.got)
	n := d.s.cfg.Outstanding - int(inFlight)
	if n == 0 {
		return nil
	}
	if n = d.share.left(n); n == 0 {
		d.end()
		return nil
	}
	_, err := d.from.postSends(n)
	if err != nil {
		d.end()
	}
	return err
}

func (d *rxeDevice) end() {
	if !d.ended {
		d.ended = true
		d.s.producerEnded()
	}
}

// expected: each message that was sent completes on both sides.
func (d *rxeDevice) expected() uint64 {
	return 2 * d.from.sends.Accepted
}

func (d *rxeDevice) flush() error { return d.rig.flush() }

func (d *rxeDevice) measures() string {
	return "events delivered: completions of sends from one QP to another of this process, many in flight; a message is two events, its send and its receive"
}

func (d *rxeDevice) report(r *Report) { d.rig.report(r) }

func (d *rxeDevice) close() error {
	if d.rig == nil {
		return nil
	}
	return d.rig.close()
}
