//go:build linux && (amd64 || arm64)

package uring

import (
	"runtime"

	"golang.org/x/sys/unix"

	"github.com/evdengine/evd/hwcq"
)

// Poll moves completions into dst; see [hwcq.CQ]. With none there, it hands over what
// others submitted to an owner's ring, has the kernel run completions that it holds
// back, and looks again: one system call that does not wait. While
// another goroutine is in Poll it returns 0.
func (r *Ring) Poll(dst []hwcq.WC) int {
	n := 0
	if !r.Pending() {
		return 0
	}
	if r.state.Load()&stFull != 0 {
		r.sweep()
	}
	if r.slots.lock() {
		n = r.poll(dst)
		r.slots.unlock()
		if n == 0 && r.note.closing.Load() != 0 && r.isOwner() {
			r.leave() // Close waits for it, and who only polls is never in Wait
		}
	}
	runtime.KeepAlive(r) // the rings outlive every use of them
	return n
}

// Pending reports whether a Poll would find something, or something to do first; see
// [hwcq.CQ]. It reads only memory.
func (r *Ring) Pending() bool {
	if r.state.Load() != 0 {
		return r.pendingOdd()
	}
	// Acquire; pairs with the kernel's smp_store_release of the tail. head is what the
	// last poll published.
	p := r.cqTail.Load() != r.cqHead.Load() || r.sqFlags.Load()&(sqCQOverflow|sqTaskrun) != 0 || r.owned && r.unfetched() != 0
	runtime.KeepAlive(r)
	return p
}

// pendingOdd is Pending of a ring that is not just open.
func (r *Ring) pendingOdd() bool {
	s := r.state.Load()
	return s&stClosed == 0 && (s&(stStash|stFull) != 0 || r.note.closing.Load() != 0 || s&stCorrupt == 0 && r.cqTail.Load() != r.cqHead.Load())
}

// unfetched is how many entries of the submission queue the kernel has not fetched.
func (r *Ring) unfetched() uint32 { return r.sqTail.Load() - r.sqHead.Load() }

// poll is Poll for the consumer.
func (r *Ring) poll(dst []hwcq.WC) int {
	if r.state.Load()&(stStash|stCorrupt) != 0 {
		return r.pollOdd(dst)
	}
	n := r.take(dst)
	if n > 0 || len(dst) == 0 {
		return n
	}
	if r.fetch(false) != 0 {
		// Elsewhere than on the owner's thread; he may be asleep over it: of an
		// overflow the kernel signals nothing.
		r.note.nudge()
		return 0
	}
	return r.take(dst)
}

// fetch has the kernel fetch what is unfetched and show what it holds back, if there is
// something of that, or always.
func (r *Ring) fetch(always bool) unix.Errno {
	n := uint32(0)
	if r.owned {
		n = r.unfetched()
	}
	held := r.sqFlags.Load() & (sqCQOverflow | sqTaskrun)
	if n == 0 && held == 0 && !always {
		return 0
	}
	if held&sqCQOverflow != 0 {
		r.overflows.Add(1)
	}
	// Running task work costs some 60 ns even where there is none. Where there was some
	// lately, more is likely to come up during the call itself.
	warm := r.warm.Load()
	if held&sqTaskrun != 0 {
		warm = warmFor
	}
	flags := uint32(0)
	if always || held != 0 || warm > 0 {
		flags = enterGetEvents
	}
	if warm > 0 {
		r.warm.Store(warm - 1)
	}
	r.enters.Add(1)
	_, e := r.enter(n, flags, int(n))
	return e
}

// warmFor is for how many calls task work is expected after some was there.
const warmFor = 64

// take moves what is in the completion queue into dst.
func (r *Ring) take(dst []hwcq.WC) int {
	// Acquire: the entries before tail; pairs with the kernel's smp_store_release in
	// io_commit_cqring. The head is our own, and only the consumer moves it.
	head, tail := r.cqHead.Load(), r.cqTail.Load()
	if held := tail - head; held > r.cqMask {
		if held > r.cqMask+1 {
			r.setState(stCorrupt)
			return 0
		}
		if !r.owned { // an owner's kernel side runs in the owner's calls
			r.setState(stFull) // before the head, which makes room; see sweep
		}
	}
	r.edge.observe()
	n := 0
	for ; head != tail && n < len(dst); head++ {
		c := r.cqe(head)
		u, res, flags := c.userData, c.res, c.flags
		wc := &dst[n]
		s := r.slots.match(u)
		if s == nil {
			switch {
			case message(wc, u, res):
				n++
			case u != sweepData:
				r.strange.Add(1)
			}
			continue
		}
		n++
		*wc = hwcq.WC{WRID: s.wrid, Opcode: hwcq.Opcode(s.opcode), QPNum: s.qpNum, ByteLen: uint32(res)}
		if res < 0 {
			failed(wc, s.op, -uint32(res))
		}
		if flags != 0 {
			decorate(wc, r.slots.group(s), res, flags)
			if flags&cqeMore != 0 {
				continue
			}
		}
		if s.holds {
			r.slots.drop(s)
		}
		r.slots.done(s)
	}
	// Release: hands the entries back after they were copied; pairs with the kernel's
	// smp_load_acquire in io_get_cqe. Once per batch.
	storeRelease(r.cqHead, head)
	return n
}

// message fills wc with a message of another ring, if u is one's.
func message(wc *hwcq.WC, u uint64, res int32) bool {
	if u&messageBit == 0 {
		return false
	}
	*wc = hwcq.WC{WRID: u &^ messageBit, Opcode: OpMsgRing.Opcode(), ByteLen: uint32(res)}
	return true
}

// decorate translates the flags of a completion, and notes which buffer it took of a
// group.
func decorate(wc *hwcq.WC, b *Buffers, res int32, flags uint32) {
	if flags&cqeMore != 0 {
		wc.Flags |= FlagMore
	}
	if flags&cqeNonEmpty != 0 {
		wc.Flags |= FlagNonEmpty
	}
	if id := flags >> cqeBufferShift; flags&cqeBuffer != 0 && b != nil && b.took(id, res) {
		wc.Flags |= FlagBuffer
		wc.Imm = id
	}
}

// failed turns wc into that of a request which failed with an errno.
func failed(wc *hwcq.WC, op Op, errno uint32) {
	status := statusOf(op, errno)
	if status == hwcq.StatusSuccess {
		wc.ByteLen = 0
		return
	}
	*wc = hwcq.WC{WRID: wc.WRID, QPNum: wc.QPNum, Opcode: wc.Opcode, Status: status, VendorErr: errno}
}
