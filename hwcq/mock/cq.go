package mock

import (
	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/internal/atom"
	"github.com/evdengine/evd/internal/pad"
)

// CQ is a completion queue in plain memory. It implements [hwcq.CQ] and
// [hwcq.OverrunCounter].
//
// Concurrency: Poll from one goroutine at a time; everything else from any
// goroutine at any time. The hardware side (Complete, QPs, streams)
// serialises itself, in what it reserves and publishes; Poll, Pending and Arm
// never wait for it.
//
// Progress: Poll and Pending are wait-free; Arm is lock-free; on the hardware
// side one waits for those who reserved earlier.
//
// Ownership: slots[cons:prod] belong to the poller, the others to the
// hardware. Whoever called New calls Close.
//
// Zero value: not usable, use New. Must not be copied.
//
// Invariant: hdr.cons <= hdr.prod <= hdr.cons+len(slots) on the 32-bit circle,
// at every instant. hdr.prod moves after the slots it covers were written,
// hdr.cons after those it gives up were read.
type CQ struct {
	// Read-mostly: written by New and Close.
	slots  []hwcq.WC // len is a power of two
	mask   uint32    // len(slots)-1
	fatal  bool      // Config.FatalOverrun
	closed atom.Bool // Writer: Close. Readers: everybody
	failed atom.Bool // Writer: hardware, on a fatal overrun. Readers: Arm
	gone   atom.Bool // Writer: Remove. Readers: Arm, hardware when refused
	hooks  *Hooks    // nil: none
	faults *injector // nil: none
	_      pad.Line

	hdr header
	pol poller
	_   pad.Line
	hw  struct {
		producers
		overruns atom.Uint64 // completions dropped. Writers: hardware
	}
	_   pad.Line
	arm armWord
	_   pad.Line
	ev  events
	_   pad.Line

	// Cold.
	seed    uint64
	first   uint32     // Config.FirstIndex
	mu      atom.Mutex // guards the two below
	workers []*worker  // everything that runs on goroutines of its own
	started uint64     // QPs and streams so far: separates their random draws
	closing atom.Mutex // held by Close
}

var (
	_ hwcq.CQ             = (*CQ)(nil)
	_ hwcq.OverrunCounter = (*CQ)(nil)
)

// header is what hardware and poller share, as laid out in struct
// rxe_queue_buf (linux v6.12 include/uapi/rdma/rdma_user_rxe.h): indices at
// 128 and 256. Unlike rxe's they run freely and are masked on use.
type header struct {
	log2ElemSize uint32
	mask         uint32
	_            [pad.Size - 8]byte

	// prod counts completions stored. Writers: hardware, in turn. Readers:
	// Poll, Pending.
	prod atom.Uint32
	_    [pad.Size - 4]byte

	// cons counts completions polled. Writer: Poll. Readers: hardware,
	// Pending.
	cons atom.Uint32
	_    [pad.Size - 4]byte
}

// New makes a CQ. It starts no goroutine; the memory is the Go heap's.
func New(cfg Config) (*CQ, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	n := slotsFor(cfg.Depth)
	c := &CQ{
		slots:  makeSlots(n),
		mask:   n - 1,
		fatal:  cfg.FatalOverrun,
		faults: newInjector(cfg.Faults, cfg.Seed),
		ev:     events{tok: atom.NewToken()},
		seed:   cfg.Seed,
	}
	if h := cfg.Hooks; h.Published != nil || h.BeforeArm != nil || h.AfterArm != nil {
		c.hooks = &h
	}
	c.hdr.log2ElemSize, c.hdr.mask = wcLog2, n-1
	c.hdr.prod.Store(cfg.FirstIndex) // nobody shares c yet
	c.hdr.cons.Store(cfg.FirstIndex)
	c.pol.cons, c.pol.prodCache = cfg.FirstIndex, cfg.FirstIndex
	c.hw.start(cfg.FirstIndex)
	c.first = cfg.FirstIndex
	return c, nil
}

// wcLog2 is log2 of the smallest power of two that holds a WC (64 bytes). The
// slots themselves are 48 bytes apart, so that a batch is one move.
const wcLog2 = 6

// makeSlots allocates n slots with a guard of 192 bytes on both sides. 192
// keeps the 64-byte alignment of the allocation: it is 4 slots and 3 lines.
func makeSlots(n uint32) []hwcq.WC {
	const guard = 4
	all := make([]hwcq.WC, guard+int(n)+guard)
	return all[guard : guard+n : guard+n]
}

// Capabilities implements hwcq.CQ. Depth is the number of slots.
func (c *CQ) Capabilities() hwcq.Capabilities {
	k := hwcq.OverrunLossy
	if c.fatal {
		k = hwcq.OverrunFatal
	}
	return hwcq.Capabilities{
		Driver:        "mock",
		Depth:         len(c.slots),
		ArmIdempotent: true,
		ReportsMissed: true,
		Solicited:     true,
		Overrun:       k,
	}
}

// Close implements hwcq.CQ. It stops the QPs and streams, wakes the waiter
// and drops completions not yet polled. It returns when no goroutine of the
// CQ is left, so it must not be called from a Fill function, nor from a hook
// that a QP's or stream's goroutine runs. Every call returns nil.
func (c *CQ) Close() error {
	c.closing.Lock() // a second Close returns when the first is done
	defer c.closing.Unlock()
	if c.closed.Load() {
		return nil
	}
	c.mu.Lock()
	// Under mu: a QP or stream either is in workers already or sees closed.
	// Pairs with adopt.
	c.closed.Store(true)
	ws := c.workers
	c.workers = nil
	c.mu.Unlock()
	for _, w := range ws {
		w.askStop()
	}
	for _, w := range ws {
		w.wait()
	}
	c.hw.close(&c.hdr.prod)
	if c.faults != nil {
		c.faults.close()
	}
	c.ev.close()
	return nil
}

// Remove takes the device away, as a hot unplug does: completions stored before
// can be polled, later ones are refused with hwcq.ErrRemoved, which Arm and
// Events().Wait return too. Idempotent; the CQ still has to be closed.
func (c *CQ) Remove() {
	c.gone.Store(true) // before the ring is shut: who is refused sees it
	c.hw.close(&c.hdr.prod)
	c.ev.remove()
}

// refusal is why the ring is shut.
func (c *CQ) refusal() error {
	if c.gone.Load() && !c.closed.Load() {
		return hwcq.ErrRemoved
	}
	return hwcq.ErrClosed
}
