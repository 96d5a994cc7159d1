//go:build amd64 || arm64

package rxe

import (
	"fmt"
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

// MR is a registered memory region: a Buffer that QPs of a PD may use.
type MR struct {
	pd     *PD
	buf    *Buffer
	id     uint64
	handle uint32
	lkey   uint32
	rkey   uint32
	addr   uint64
	length uint64

	closeMu sync.Mutex
	closed  bool
}

// Reg registers the whole of b. Requests may then name it by LKey, and peers
// by RKey as far as access allows.
func (p *PD) Reg(b *Buffer, access Access) (*MR, error) {
	const op = "register memory"
	if b == nil {
		return nil, param.Invalid("rxe: Reg", "b", "nil", "an open Buffer")
	}
	const all = LocalWrite | RemoteWrite | RemoteRead | RemoteAtomic | BindMW
	if access&^all != 0 || access&(RemoteWrite|RemoteAtomic) != 0 && access&LocalWrite == 0 {
		return nil, param.Invalid("rxe: Reg", "access", uint32(access), "a combination of LocalWrite, RemoteWrite and RemoteAtomic (only with LocalWrite), RemoteRead and BindMW")
	}
	addr, length, err := b.hold()
	if err != nil {
		return nil, err
	}
	if err := p.use.acquire(op); err != nil {
		b.release()
		return nil, err
	}
	var out [12]byte
	if err := p.dev.exec(op, cmdRegMR, encRegMR(addr, length, p.handle, access), out[:], nil); err != nil {
		p.use.release()
		b.release()
		return nil, err
	}
	m := &MR{
		pd: p, buf: b, id: nextID.Add(1), addr: addr, length: length,
		handle: le.Uint32(out[:]), lkey: le.Uint32(out[4:]), rkey: le.Uint32(out[8:]),
	}
	if err := p.dev.add(m.id, m); err != nil {
		p.use.release()
		b.release()
		return nil, err
	}
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
// region: the kernel does, and fails the request.
func (m *MR) SGE(off, length int) SGE {
	return SGE{Addr: m.addr + uint64(off), Length: uint32(length), LKey: m.lkey}
}

func (m *MR) closeRank() int { return rankMR }

// Close deregisters the memory. Requests that still use it fail. It is
// idempotent.
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
	m.pd.dev.remove(m.id)
	m.pd.use.release()
	m.buf.release()
	return nil
}
