//go:build amd64 || arm64

package rxe

import (
	"errors"
	"fmt"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/internal/param"
)

// SRQ is a shared receive queue: the QPs opened with it take their receives
// from it, in order.
//
// Concurrency: all methods may be called from any goroutine; posts and Resize
// share a lock.
// Ownership: close it after its QPs and before its PD.
type SRQ struct {
	pd     *PD
	id     uint64
	handle uint32
	use    usage // QPs

	recv producer // its lock guards m too
	m    mapping
}

// OpenSRQ creates a shared receive queue.
func (p *PD) OpenSRQ(c SRQConfig) (*SRQ, error) {
	const op = "open SRQ"
	if err := c.Validate(); err != nil {
		return nil, err
	}
	c.setDefaults()
	if err := p.dev.opening(op); err != nil {
		return nil, err
	}
	defer p.dev.opens.leave()
	if err := p.dev.checkSRQ("rxe: OpenSRQ", c); err != nil {
		return nil, err
	}
	if err := p.use.acquire(op); err != nil {
		return nil, err
	}
	s := &SRQ{pd: p, id: nextID.Add(1)}
	var core [16]byte
	var driver [mmInfoSize + 8]byte
	in := words([]uint64{0, s.id}, p.handle, uint32(c.Depth), uint32(c.MaxSGE), uint32(c.Limit))
	if err := p.dev.exec(op, cmdCreateSRQ, in, core[:], driver[:]); err != nil {
		p.use.release()
		return nil, err
	}
	s.handle, s.recv.maxSGE = le.Uint32(core[:]), c.MaxSGE
	if err := s.adopt(getMMInfo(driver[:])); err != nil {
		p.use.release()
		return nil, errors.Join(fmt.Errorf("rxe: %s: %w", op, err), s.drop())
	}
	p.dev.add(s.id, s)
	return s, nil
}

// checkSRQ holds c against the device's limits.
func (d *Device) checkSRQ(op string, c SRQConfig) error {
	a, err := d.QueryDevice()
	if err != nil {
		return err
	}
	var errs []error
	for _, l := range []struct {
		name     string
		v, limit int
	}{{"Depth", c.Depth, a.MaxSRQWR}, {"MaxSGE", c.MaxSGE, a.MaxSRQSGE}} {
		if l.v > l.limit {
			errs = append(errs, param.Invalid(op, l.name, l.v, fmt.Sprintf("at most %d, the limit of %s", l.limit, d.info.Name)))
		}
	}
	return errors.Join(errs...)
}

// adopt maps the queue at mi, in place of the one before, if any.
func (s *SRQ) adopt(mi mmInfo) error {
	m, r, err := s.pd.dev.mapRing(mi, recvWQESize+sgeSize*uintptr(s.recv.maxSGE))
	if err != nil {
		return fmt.Errorf("receive queue: %w", err)
	}
	old := s.m
	s.m, s.recv.ring = m, r
	s.recv.next = r.prod.Load() & r.mask // the kernel has carried over what was posted
	s.recv.seen = r.cons.Load() & r.mask
	return old.Unmap()
}

// PostRecv posts one receive request. It only writes memory. When the queue
// is full it returns an error matching [hwcq.ErrFull]. It does not allocate.
func (s *SRQ) PostRecv(wr *RecvWR) error {
	if wr == nil {
		return errNilRecv
	}
	_, err := s.PostRecvs(one1(wr))
	return err
}

// PostRecvs posts the requests in order and returns how many were taken; the
// error is about the first that was not.
func (s *SRQ) PostRecvs(wrs []RecvWR) (int, error) {
	s.recv.mu.Lock()
	defer s.recv.mu.Unlock()
	if s.recv.closed {
		return 0, errRecvClosed
	}
	return s.recv.postRecvs(wrs)
}

// Depth is how many receives can be posted: at least what was asked for.
func (s *SRQ) Depth() int {
	s.recv.mu.Lock()
	defer s.recv.mu.Unlock()
	return int(s.recv.ring.mask)
}

// Attributes of modify SRQ: enum ib_srq_attr_mask.
const (
	srqMaxWR = 1 << 0
	srqLimit = 1 << 1
)

// SetLimit arms the limit: AsyncSRQLimit comes, once, when a receive is taken
// and fewer than n stay posted. It does not look back: with fewer than n
// posted it comes with the next receive taken. 0 disarms.
func (s *SRQ) SetLimit(n int) error {
	const op = "set SRQ limit"
	s.recv.mu.Lock()
	defer s.recv.mu.Unlock()
	if s.recv.closed {
		return fmt.Errorf("rxe: %s: %w", op, hwcq.ErrClosed)
	}
	if depth := int(s.recv.ring.mask); n < 0 || n > depth {
		return param.Invalid("rxe: SetLimit", "n", n, fmt.Sprintf("0..%d, the depth of the SRQ", depth))
	}
	_, err := s.pd.dev.modifySRQ(op, s.handle, srqLimit, 0, uint32(n))
	return err
}

// Resize changes how many receives can be posted, 1 to
// DeviceAttr.MaxSRQWR; rxe rounds up to a power of two less one. What is
// posted stays posted; depth must not be less than that, nor than an armed
// limit. QPs go on receiving meanwhile. After an error that matches
// [ErrCorrupt] or is of the mapping the SRQ takes no more posts.
func (s *SRQ) Resize(depth int) error {
	const op = "resize SRQ"
	if depth < 1 {
		return param.Invalid("rxe: Resize", "depth", depth, "1 or more")
	}
	if err := s.pd.dev.checkSRQ("rxe: Resize", SRQConfig{Depth: depth}); err != nil {
		return err
	}
	s.recv.mu.Lock()
	defer s.recv.mu.Unlock()
	if s.recv.closed {
		return fmt.Errorf("rxe: %s: %w", op, hwcq.ErrClosed)
	}
	// Some kernels lose the queue when they refuse. The count only falls
	// meanwhile.
	r := &s.recv.ring
	if n := int((s.recv.next - r.cons.Load()) & r.mask); depth < n {
		return param.Invalid("rxe: Resize", "depth", depth, fmt.Sprintf("at least %d, the receives that are posted", n))
	}
	at, err := s.query()
	if err != nil {
		return err
	}
	if depth < at.Limit {
		return param.Invalid("rxe: Resize", "depth", depth, fmt.Sprintf("at least %d, the armed limit", at.Limit))
	}
	mi, err := s.pd.dev.modifySRQ(op, s.handle, srqMaxWR, uint32(depth), 0)
	if err != nil {
		return err
	}
	if err := s.adopt(mi); err != nil {
		s.recv.closed = true // what is mapped is not what the kernel reads
		return fmt.Errorf("rxe: %s: %w", op, err)
	}
	return nil
}

// Query asks the kernel about the SRQ.
func (s *SRQ) Query() (SRQAttr, error) {
	s.recv.mu.Lock()
	defer s.recv.mu.Unlock()
	if s.recv.closed {
		return SRQAttr{}, fmt.Errorf("rxe: query SRQ: %w", hwcq.ErrClosed)
	}
	return s.query()
}

func (s *SRQ) query() (SRQAttr, error) {
	var out [16]byte
	if err := s.pd.dev.exec("query SRQ", cmdQuerySRQ, words(resp, s.handle, 0), out[:], nil); err != nil {
		return SRQAttr{}, err
	}
	return decQuerySRQ(out[:])
}

func (s *SRQ) closeRank() int { return rankCQ }

// Close destroys the SRQ and forgets what is posted. While a QP uses it the
// error matches [hwcq.ErrBusy] and the SRQ stays open. It is idempotent.
func (s *SRQ) Close() error {
	var errs error
	err := s.use.close("close SRQ", func() error {
		errs = s.drop()
		s.pd.use.release()
		s.pd.dev.remove(s.id)
		return nil
	})
	return errors.Join(err, errs)
}

func (s *SRQ) drop() error {
	s.recv.shut()
	var out [4]byte
	err := goneIsFine(s.pd.dev.exec("close SRQ", cmdDestroySRQ, words(resp, s.handle, 0), out[:], nil))
	return errors.Join(err, s.m.Unmap())
}
