//go:build amd64 || arm64

package rxe

import (
	"fmt"
	"math"
	"sync"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/internal/param"
)

// Buffer is page-aligned memory outside the Go heap, for the device to read
// and write. The garbage collector does not know it: keep no pointers to Go
// memory in it.
//
// Ownership: close every MR over it first, then the Buffer; Bytes must not be
// touched afterwards (the pages are gone and the access faults).
type Buffer struct {
	mu  sync.Mutex
	mem mapping
	mrs int
}

// OpenBuffer returns a zeroed buffer of size bytes, 1 to 1 GiB.
func OpenBuffer(size int) (*Buffer, error) {
	if size < 1 || size > 1<<30 {
		return nil, param.Invalid("rxe: OpenBuffer", "size", size, "1..1073741824 bytes")
	}
	m, err := mapAnon(uintptr(size))
	if err != nil {
		return nil, opError("open buffer", err)
	}
	m.Size = uintptr(size)
	return &Buffer{mem: m}, nil
}

// Bytes is the buffer's memory, nil once it is closed.
func (b *Buffer) Bytes() []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.mem.Base == nil {
		return nil
	}
	return b.mem.Bytes()
}

// Close releases the memory. While an MR covers it the error matches
// [hwcq.ErrBusy]: the kernel would go on writing into pages that the process
// no longer sees.
func (b *Buffer) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.mrs > 0 {
		return fmt.Errorf("rxe: close buffer: %w: %d memory regions still cover it", hwcq.ErrBusy, b.mrs)
	}
	return b.mem.Unmap()
}

// hold marks the buffer as registered and returns where it is.
func (b *Buffer) hold() (addr, length uint64, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.mem.Base == nil {
		return 0, 0, fmt.Errorf("rxe: register memory: buffer: %w", hwcq.ErrClosed)
	}
	b.mrs++
	return b.mem.Addr(), uint64(b.mem.Size), nil
}

func (b *Buffer) release() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.mrs--
}

// MR is a registered memory region that QPs of a PD may use: a Buffer, or
// memory of the caller.
//
// Ownership: while an MR is open the kernel has its pages pinned, and the
// device may read and write them at any time. A Buffer refuses to close
// meanwhile. For the caller's memory see RegBytes.
type MR struct {
	pd     *PD
	mem    memory
	id     uint64
	handle uint32
	lkey   uint32
	rkey   uint32
	addr   uint64
	length uint64

	closeMu sync.Mutex
	closed  bool
}

// memory is what an MR covers.
type memory interface {
	// hold keeps the memory where it is, and tells where.
	hold() (addr, length uint64, err error)
	release()
}

// Reg registers the whole of b. Requests may then name it by LKey, and peers
// by RKey as far as access allows.
//
// Errors: param.ErrInvalid (b, access), [hwcq.ErrClosed], and an error that
// names RLIMIT_MEMLOCK when more memory would be pinned than that allows.
func (p *PD) Reg(b *Buffer, access Access) (*MR, error) {
	if b == nil {
		return nil, param.Invalid("rxe: Reg", "b", "nil", "an open Buffer")
	}
	return p.register("rxe: Reg", b, access)
}

// RegBytes registers memory of the caller: Go memory, or pages that were mapped
// by other means (shared memory, memfd). Otherwise it is Reg.
//
// Ownership: until the MR is closed b is the device's as well. The MR keeps Go
// memory reachable and pins it ([runtime.Pinner]), so the garbage collector
// neither frees nor moves it, and there is no need to keep b. Memory that was
// mapped stays the caller's: close the MR before unmapping, else the device
// goes on with the old pages, which nobody sees any more.
//
// b must have no pointers in it, however it was made: the device's writes pass
// the collector's write barrier by. The kernel pins whole pages, but nobody
// reaches what lies beside b on them.
//
// With LocalWrite the memory must be writable. Pages of a file on disk cannot
// be registered for writing (linux mm/gup.c): use shared memory or a private
// mapping. Memory that is not pinned (on-demand paging) and dma-buf are not
// offered by rxe's user interface on these kernels.
func (p *PD) RegBytes(b []byte, access Access) (*MR, error) {
	if len(b) == 0 {
		return nil, param.Invalid("rxe: RegBytes", "b", "empty", "1 byte or more")
	}
	return p.register("rxe: RegBytes", &pinned{b: b}, access)
}

func (p *PD) register(op string, mem memory, access Access) (*MR, error) {
	const all = LocalWrite | RemoteWrite | RemoteRead | RemoteAtomic | BindMW
	if access&^all != 0 || access&(RemoteWrite|RemoteAtomic) != 0 && access&LocalWrite == 0 {
		return nil, param.Invalid(op, "access", uint32(access), "a combination of LocalWrite, RemoteWrite and RemoteAtomic (only with LocalWrite), RemoteRead and BindMW")
	}
	op = "register memory"
	if err := p.dev.opening(op); err != nil {
		return nil, err
	}
	defer p.dev.opens.leave()
	addr, length, err := mem.hold()
	if err != nil {
		return nil, err
	}
	m := &MR{pd: p, mem: mem, id: nextID.Add(1), addr: addr, length: length}
	if err := p.use.acquire(op); err != nil {
		mem.release()
		return nil, err
	}
	var out [12]byte
	err = p.dev.exec(op, cmdRegMR, encRegMR(addr, length, p.handle, access), out[:], nil)
	if err != nil {
		p.use.release()
		mem.release()
		return nil, err
	}
	m.handle, m.lkey, m.rkey = le.Uint32(out[:]), le.Uint32(out[4:]), le.Uint32(out[8:])
	p.dev.add(m.id, m)
	return m, nil
}

// LKey names the region in the requests of the own QPs.
func (m *MR) LKey() uint32 { return m.lkey }

// RKey names the region in a peer's RDMA requests.
func (m *MR) RKey() uint32 { return m.rkey }

// Addr is the address of the first byte, for SGE.Addr and SendWR.RemoteAddr.
func (m *MR) Addr() uint64 { return m.addr }

// Len is the region's length in bytes.
func (m *MR) Len() int { return int(m.length) }

// SGE describes length bytes from off on. It does not check them against the
// region: the kernel does, and fails the request. See Piece.
func (m *MR) SGE(off, length int) SGE {
	return SGE{Addr: m.addr + uint64(off), Length: uint32(length), LKey: m.lkey}
}

// Piece is SGE for numbers that may be wrong: outside the region the error
// matches param.ErrInvalid. It does not allocate unless it fails.
func (m *MR) Piece(off, length int) (SGE, error) {
	const op = "rxe: Piece"
	if off < 0 || uint64(off) > m.length {
		return SGE{}, param.Invalid(op, "off", off, fmt.Sprintf("0..%d, inside the region", m.length))
	}
	if length < 0 || uint64(length) > min(m.length-uint64(off), math.MaxUint32) {
		return SGE{}, param.Invalid(op, "length", length, fmt.Sprintf("0..%d, what the region has from %d on", min(m.length-uint64(off), math.MaxUint32), off))
	}
	return m.SGE(off, length), nil
}

func (m *MR) closeRank() int { return rankMR }

// Close deregisters the memory, after which the device touches it no more.
// Requests that still use it fail. While a memory window is bound to it the error
// matches [hwcq.ErrBusy] and the MR stays open. It is idempotent.
func (m *MR) Close() error {
	m.closeMu.Lock()
	defer m.closeMu.Unlock()
	if m.closed {
		return nil
	}
	if err := goneIsFine(m.pd.dev.exec("deregister memory", cmdDeregMR, words(nil, m.handle), nil, nil)); err != nil {
		return err
	}
	m.closed = true
	m.pd.use.release()
	m.mem.release()
	m.pd.dev.remove(m.id)
	return nil
}
