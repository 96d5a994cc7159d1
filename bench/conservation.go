package bench

import (
	"fmt"

	"github.com/evdengine/evd/engine"
)

// Conservation is the balance of a run, made from the books of the producers
// and of the consumer:
//
//	Attempted = Accepted + Rejected
//	Accepted  = Delivered + Dequeued + LeftOver
//
// and, by the sequence numbers, every accepted event came out exactly once and
// each producer's in order. The engine's own counters are no part of it; they
// are compared with it.
type Conservation struct {
	Attempted uint64 `json:"attempted"`
	Accepted  uint64 `json:"accepted"`
	Rejected  uint64 `json:"rejected"`
	Delivered uint64 `json:"delivered"`
	Dequeued  uint64 `json:"dequeued"`
	LeftOver  uint64 `json:"left_over"`
	Flushed   uint64 `json:"flushed"` // of those that came out: requests that Close flushed

	// Lost are those that the device dropped as the fault script has it: they are
	// accepted and do not come out.
	Lost uint64 `json:"lost,omitempty"`

	Producers []ProducerBalance `json:"producers"`

	// Violations says, in words, everything that is wrong; empty means that
	// the run lost nothing.
	Violations []string `json:"violations"`
}

// ProducerBalance is one producer's part of a Conservation.
type ProducerBalance struct {
	Name      string `json:"name"`
	Attempted uint64 `json:"attempted"`
	Accepted  uint64 `json:"accepted"`
	Rejected  uint64 `json:"rejected"`
	Order
}

// OK tells whether nothing was violated.
func (c *Conservation) OK() bool { return len(c.Violations) == 0 }

func (c *Conservation) violate(format string, args ...any) {
	c.Violations = append(c.Violations, fmt.Sprintf(format, args...))
}

// book is a producer with its name and kind.
type book struct {
	*Producer
	name     string
	software bool // posts to the EVD; otherwise its events come through a CQ
}

// balance draws up the conservation of a run that has ended: the EVD is
// closed, and nobody writes the books any more.
func balance(books []book, con *consumer, st engine.Stats) Conservation {
	c := Conservation{
		Delivered: con.delivered, Dequeued: con.dequeued, LeftOver: con.leftover,
		Flushed: con.flushed, Producers: []ProducerBalance{}, Violations: []string{},
	}
	var software Producer
	for _, b := range books {
		s := &con.from[b.ID]
		if s.next > b.Accepted {
			c.violate("%s: event %d came, and only %d were ever accepted", b.name, s.next-1, b.Accepted)
		}
		s.settle(b.Accepted)
		if b.Attempted != b.Accepted+b.Rejected {
			c.violate("%s: attempted %d, but accepted %d + rejected %d", b.name, b.Attempted, b.Accepted, b.Rejected)
		}
		s.Lost = b.Lost
		if !s.asExpected(con.unordered) {
			c.violate("%s: missing %d, duplicates %d, reordered %d", b.name, s.Missing, s.Duplicates, s.Reordered)
		}
		c.Attempted += b.Attempted
		c.Accepted += b.Accepted
		c.Rejected += b.Rejected
		c.Lost += b.Lost
		if b.software {
			software.Accepted += b.Accepted
			software.Rejected += b.Rejected
		}
		c.Producers = append(c.Producers, ProducerBalance{b.name, b.Attempted, b.Accepted, b.Rejected, s.Order})
	}
	if out := c.Delivered + c.Dequeued + c.LeftOver; c.Accepted != out+c.Lost {
		c.violate("accepted %d, but delivered %d + dequeued %d + left over %d = %d",
			c.Accepted, c.Delivered, c.Dequeued, c.LeftOver, out)
	}
	if con.Foreign > 0 {
		c.violate("%d events that no producer made", con.Foreign)
	}
	c.connection(con)
	if con.failed > con.injected && con.notices[engine.Broken] == 0 {
		f := con.failure
		c.violate("%d requests failed, the first (%#x, QP %d) with %v (vendor %#x)", con.failed, f.WRID, f.QPNum, f.Status, f.VendorErr)
	}
	c.compare(con, software, st)
	return c
}

// compare holds the engine's counters against the books.
func (c *Conservation) compare(con *consumer, software Producer, st engine.Stats) {
	for _, x := range []struct {
		name        string
		engine, own uint64
	}{
		{"Posted", st.Posted, software.Accepted},
		{"Rejected", st.Rejected, software.Rejected},
		{"Polled", st.Polled, con.dto},
		{"Delivered", st.Delivered, con.delivered + con.noticed},
		{"Upcalls", st.Upcalls, con.upcalls},
		{"Dequeued", st.Dequeued, con.dequeued},
		{"Leftover", st.Leftover, con.leftover + con.noticesLeft},
	} {
		if x.engine != x.own {
			c.violate("engine counter %s is %d, the edges counted %d", x.name, x.engine, x.own)
		}
	}
}

// connection checks the events of an endpoint: it comes up at most once and
// goes down exactly once, and only a request that failed breaks it.
func (c *Conservation) connection(con *consumer) {
	if con.notices == nil {
		return
	}
	up, broken, down := con.notices[engine.Established], con.notices[engine.Broken], con.notices[engine.Disconnected]
	if up > 1 || broken+down != 1 {
		c.violate("established came %d times, broken %d and disconnected %d: it must be once at most, and once of the other two", up, broken, down)
	}
	if broken > 0 && con.failed == 0 {
		c.violate("broken came, and no request failed")
	}
}
