package bench

import (
	"fmt"
	"time"
)

// Directions of the messages of BW with a server, as the client sees them.
const (
	Send    = "send"
	Receive = "receive"
	Both    = "both"
)

const (
	defaultAckTimeout = 268 * time.Millisecond // rxe rounds it up to 4.096 us * 2^16, also 268 ms
	defaultRetries    = 6                      // with 7, rxe tries for ever
	maxSlots          = 64 << 20               // bytes of the messages outstanding
	maxServedCapacity = 1 << 20                // a client decides how much memory its server takes
)

// nodes tells whether this is a run between two nodes.
func (c Config) nodes() bool { return c.Server != "" || c.serving }

// countsWarmup tells whether the warm-up must be a number of messages: each
// side then knows by itself how many it has to send.
func (c Config) countsWarmup() bool { return c.nodes() && c.Workload == BW && c.Count > 0 }

func (c *Config) serverDefaults() {
	if !c.nodes() {
		return
	}
	def(&c.AckTimeout, defaultAckTimeout)
	def(&c.Retries, defaultRetries)
	if c.Workload == BW {
		def(&c.Direction, Send)
	}
}

// slots is how many requests of each queue a node may have outstanding.
func (c Config) slots() (sends, recvs int) {
	if c.Workload == BW {
		return c.Outstanding, min(2*c.Outstanding, c.Depth-c.Outstanding)
	}
	return 2, min(rxeRecvs, (c.Depth-4)/2) // one is in flight
}

func (v *validator) server(c, d Config) {
	if !d.nodes() {
		const why = "without server"
		v.none("direction", c.Direction, c.Direction != "", why)
		v.none("ack-timeout", c.AckTimeout, c.AckTimeout != 0, why)
		v.none("retries", c.Retries, c.Retries != 0, why)
		if d.CQ == CQTCP {
			v.bad("cq", d.CQ, "mock, rxe or verbs without server: tcp is for runs between two nodes")
		}
		return
	}
	v.none("dev", c.Dev, c.Dev != "" && d.CQ == CQTCP, "with cq tcp: it has no device")
	if links[d.CQ] == nil {
		v.bad("server", c.Server, "left out with cq "+d.CQ+", which no other node can reach")
		return
	}
	v.address("server", c.Server, true, "HOST:PORT, with a port of 1..65535")
	v.none("peer", c.Peer, c.Peer != "", "with server")
	v.none("peer-listen", c.PeerListen, c.PeerListen != "", "with server")
	v.none("oneway", c.OneWay, c.OneWay, "with server: it would need two clocks to agree")
	v.none("posters", c.Posters, c.Posters != 0, "with server")
	v.none("flip", c.Flip, c.Flip != 0, "with server")
	if d.Capacity > maxServedCapacity {
		v.bad("capacity", d.Capacity, fmt.Sprintf("at most %d with server", maxServedCapacity))
	}
	v.dur("ack-timeout", d.AckTimeout, time.Millisecond, time.Minute, "1ms to 1m")
	v.num("retries", d.Retries, 1, 6)
	if d.Workload != BW {
		v.none("direction", c.Direction, c.Direction != "", "with lat: messages go to and fro")
		return
	}
	v.in("direction", d.Direction, Send, Receive, Both)
	if d.countsWarmup() && d.Warmup.Time != 0 {
		v.bad("warmup", d.Warmup.Time, "a number of messages, with server and count")
	}
	if d.Size >= 1 && d.Outstanding > maxSlots/d.Size {
		v.bad("outstanding", d.Outstanding, fmt.Sprintf("at most %d with messages of %d bytes: 64 MiB outstanding", maxSlots/d.Size, d.Size))
	}
}
