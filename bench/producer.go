package bench

// WRIDs of events that a benchmark makes: the producer's number above, the
// sequence number below. 2^48 events are a year at nine million a second.
const (
	seqBits = 48
	seqMask = 1<<seqBits - 1

	// MaxProducers is how many producers can be told apart.
	MaxProducers = 1 << (64 - seqBits)
)

// WRID composes a cookie.
func WRID(producer int, seq uint64) uint64 {
	return uint64(producer)<<seqBits | seq&seqMask
}

// SplitWRID is the reverse of WRID.
func SplitWRID(wrid uint64) (producer int, seq uint64) {
	return int(wrid >> seqBits), wrid & seqMask
}

// Producer is the book that a producer of events keeps: it numbers what it
// offers, and counts what came of it.
//
// Concurrency: one goroutine at a time.
// Zero value: producer 0, nothing offered.
//
// Invariant: Attempted = Accepted + Rejected, and Accepted is the next
// sequence number.
type Producer struct {
	ID        int
	Attempted uint64
	Accepted  uint64
	Rejected  uint64

	// Lost are accepted ones that the device dropped since a fault script says so.
	Lost uint64
}

// Next is the WRID of the next event to offer. An event that was rejected is
// offered again under the same number.
func (p *Producer) Next() uint64 { return WRID(p.ID, p.Accepted) }

// At is the WRID of the i-th event from the next on.
func (p *Producer) At(i int) uint64 { return WRID(p.ID, p.Accepted+uint64(i)) }

// Offered notes that n events from the next on were offered together and the
// first k of them accepted.
func (p *Producer) Offered(n, k int) {
	p.Attempted += uint64(n)
	p.Accepted += uint64(k)
	p.Rejected += uint64(n - k)
}
