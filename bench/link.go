package bench

import (
	"encoding/binary"
	"time"

	"github.com/evdengine/evd/hwcq"
)

// Address is how the queue pair of one node is found by that of another.
type Address struct {
	LID uint16 `json:"lid"` // 0 on Ethernet
	QPN uint32 `json:"qpn"`
	PSN uint32 `json:"psn"` // of its first packet
	GID string `json:"gid"` // as an IPv6 address: an IPv4 one is ::ffff:a.b.c.d
	MTU int    `json:"mtu"` // bytes its port takes in a packet

	// Of the tcp CQ, instead of all that. The host is that of the control connection.
	Port int    `json:"port,omitempty"`
	Key  uint64 `json:"key,omitempty"` // what a connection to it begins with
	host string
}

// link is a connected queue pair of one device, with a CQ for both its queues
// and memory for the messages: a slot for each request that can be
// outstanding. It is all that a run between two nodes needs of a driver.
//
// Concurrency: postSends and postRecvs by one goroutine at a time each; all
// else while nobody posts, or after the last post.
type link interface {
	cq() hwcq.CQ
	qpNum() uint32
	address() (Address, error)

	// connect brings the queue pair up. retries is how often a packet that is
	// not answered within ack is sent again before the request fails.
	connect(peer Address, ack time.Duration, retries int) error

	sendSlot(i int) []byte
	recvSlot(i int) []byte

	// postSends posts requests for the n slots from first on, with WRIDs
	// counted up from wrid, and returns how many were taken. The likes of
	// postRecvs.
	postSends(first, n int, wrid uint64) (int, error)
	postRecvs(first, n int, wrid uint64) (int, error)

	setError() error // everything that is posted completes
	overruns() uint64
	close() error
}

// linkConfig is what a link is opened with.
type linkConfig struct {
	driver       string
	dev          string // "": the first one
	depth        int    // of the CQ
	sends, recvs int    // slots
	size         int    // bytes a slot
}

// links are the drivers that can reach another node, by their names.
var links = map[string]func(linkConfig) (link, error){CQRXE: openRDMALink, CQVerbs: openRDMALink, CQTCP: openTCPLink}

// Messages carry their number in the first 8 bytes, or what there is room for:
// so each one is seen to come once and in order, not only to come.

func number(slot []byte, n uint64) {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], n)
	copy(slot, b[:])
}

// numbered returns the number in a slot and what it would be for message n.
func numbered(slot []byte, n uint64) (got, want uint64) {
	var b [8]byte
	copy(b[:], slot)
	got, want = binary.LittleEndian.Uint64(b[:]), n
	if len(slot) < 8 {
		want &= 1<<(8*len(slot)) - 1
	}
	return got, want
}
