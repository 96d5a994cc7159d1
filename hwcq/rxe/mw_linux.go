//go:build amd64 || arm64

package rxe

import (
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/internal/param"
)

// MW is a memory window, of type 2: a part of an MR that a peer may reach by
// an rkey of its own, from the OpBindMW request that opens it until it is
// invalidated, by OpLocalInv or by the peer's OpSendInv. It serves the QP it
// was first bound on; after it was invalidated it can be bound there again. Not so
// after a bind that failed or was flushed: the post has moved on to an rkey that the
// kernel does not know. Open another window then.
//
// Concurrency: all methods from any goroutine; binds of one MW must not be
// posted from two goroutines at once.
// Ownership: open it after the QP it is to be bound on; close it before that
// QP, the MR it is bound to, and its PD.
type MW struct {
	pd     *PD
	id     uint64
	handle uint32
	rkey   atomic.Uint32 // Writer: a post of OpBindMW. Readers: all.

	mu     sync.Mutex // the fields below
	closed bool
	on     *windows // of the QP it was bound on
}

// windows is what a QP knows of the memory windows bound on it. The kernel's
// destroying of a QP waits for them, for 50 seconds and with a warning: so they
// must be closed first, and, for when the process dies and the kernel closes
// what is left, the youngest first, they must be younger.
type windows struct {
	use  usage
	born uint64 // an id from after the QP was created
}

// mwType2 is IB_MW_TYPE_2.
const mwType2 = 2

// OpenMW allocates a memory window, which opens nothing before it is bound.
func (p *PD) OpenMW() (*MW, error) {
	const op = "open MW"
	if err := p.dev.opening(op); err != nil {
		return nil, err
	}
	defer p.dev.opens.leave()
	if err := p.use.acquire(op); err != nil {
		return nil, err
	}
	m := &MW{pd: p, id: nextID.Add(1)} // before it is made; see windows
	var out [8]byte
	if err := p.dev.exec(op, cmdAllocMW, words(resp, p.handle, mwType2), out[:], nil); err != nil {
		p.use.release()
		return nil, err
	}
	m.handle = le.Uint32(out[:])
	m.rkey.Store(le.Uint32(out[4:]))
	p.dev.add(m.id, m)
	return m, nil
}

// RKey names the window in a peer's requests once the bind has completed.
// Each post of OpBindMW changes it, so that an rkey from before is void.
func (m *MW) RKey() uint32 { return m.rkey.Load() }

// nextKey moves on to the next rkey: the low byte is the user's to choose.
func (m *MW) nextKey() (old, rkey uint32) {
	old = m.rkey.Load()
	rkey = old&^0xff | (old+1)&0xff
	m.rkey.Store(rkey)
	return old, rkey
}

// bindOn notes the QP that the window is about to be bound on. It stays the
// window's.
func (m *MW) bindOn(q *windows) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.closed:
		return fmt.Errorf("rxe: post send: Bind.MW: %w", hwcq.ErrClosed)
	case m.on == q:
		return nil
	case m.on != nil:
		return param.Invalid("rxe: post send", "Bind.MW", "a window of another QP", "new, or bound on this QP before")
	case m.id < q.born:
		return param.Invalid("rxe: post send", "Bind.MW", "a window older than the QP", "one opened after the QP")
	}
	if err := q.use.acquire("bind MW"); err != nil {
		return err
	}
	m.on = q
	return nil
}

func (m *MW) closeRank() int { return rankMW }

// Close invalidates the window and frees it. It is idempotent.
func (m *MW) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil
	}
	if err := goneIsFine(m.pd.dev.exec("close MW", cmdDeallocMW, words(nil, m.handle), nil, nil)); err != nil {
		return err
	}
	m.closed = true
	m.pd.use.release()
	if m.on != nil {
		m.on.use.release()
	}
	m.pd.dev.remove(m.id)
	return nil
}
