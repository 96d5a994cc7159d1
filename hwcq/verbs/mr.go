//go:build verbs && cgo && linux

package verbs

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/rxe"
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
	mem []byte
	mrs int
}

// OpenBuffer returns a zeroed buffer of size bytes, 1 to 1 GiB.
func OpenBuffer(size int) (*Buffer, error) {
	if size < 1 || size > 1<<30 {
		return nil, param.Invalid("verbs: OpenBuffer", "size", size, "1..1073741824 bytes")
	}
	m, err := mapped(size)
	if err != nil {
		return nil, opError("open buffer", err)
	}
	return &Buffer{mem: m}, nil
}

// mapped returns zeroed memory outside the heap.
func mapped(size int) ([]byte, error) {
	m, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	return m, os.NewSyscallError("mmap", err)
}

// Bytes is the buffer's memory, nil once it is closed.
func (b *Buffer) Bytes() []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.mem
}

// Close releases the memory. While an MR covers it the error matches
// [hwcq.ErrBusy]. It is idempotent.
func (b *Buffer) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.mrs > 0 {
		return fmt.Errorf("verbs: close buffer: %w: %d memory regions still cover it", hwcq.ErrBusy, b.mrs)
	}
	if b.mem == nil {
		return nil
	}
	m := b.mem
	b.mem = nil
	return os.NewSyscallError("munmap", unix.Munmap(m))
}

// hold marks the buffer as registered.
func (b *Buffer) hold() ([]byte, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.mem == nil {
		return nil, fmt.Errorf("verbs: register memory: buffer: %w", hwcq.ErrClosed)
	}
	b.mrs++
	return b.mem, nil
}

func (b *Buffer) release() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.mrs--
}

// MR is a registered memory region that QPs of a PD may use.
type MR struct {
	pd   *PD
	id   uint64
	mr   *cMR
	free func() // gives the memory back to its owner

	addr       uint64
	lkey, rkey uint32
	length     int

	closeMu sync.Mutex
	closed  bool
}

// Reg registers the whole of b. Requests may then name it by LKey, and peers
// by RKey as far as access allows.
func (p *PD) Reg(b *Buffer, access rxe.Access) (*MR, error) {
	if b == nil {
		return nil, param.Invalid("verbs: Reg", "b", "nil", "an open Buffer")
	}
	mem, err := b.hold()
	if err != nil {
		return nil, err
	}
	return p.reg("verbs: Reg", mem, access, b.release)
}

// RegBytes registers memory of the Go heap, which stays pinned until the MR is
// closed. It must hold no pointers: that is, it was made as bytes.
func (p *PD) RegBytes(b []byte, access rxe.Access) (*MR, error) {
	const op = "verbs: RegBytes"
	if len(b) == 0 {
		return nil, param.Invalid(op, "b", "no bytes", "1 byte or more")
	}
	pin := &runtime.Pinner{}
	pin.Pin(&b[0])
	return p.reg(op, b, access, pin.Unpin)
}

// reg registers memory, and has free called if that fails and when the MR is
// closed.
func (p *PD) reg(name string, mem []byte, access rxe.Access, free func()) (m *MR, err error) {
	const op = "register memory"
	defer func() {
		if err != nil {
			free()
		}
	}()
	if access&^(rxe.LocalWrite|rxe.RemoteWrite|rxe.RemoteRead|rxe.RemoteAtomic) != 0 ||
		access&(rxe.RemoteWrite|rxe.RemoteAtomic) != 0 && access&rxe.LocalWrite == 0 {
		return nil, param.Invalid(name, "access", uint32(access),
			"a combination of LocalWrite, RemoteWrite and RemoteAtomic (only with LocalWrite) and RemoteRead")
	}
	if err := p.use.acquire(op); err != nil {
		return nil, err
	}
	m = &MR{pd: p, id: nextID.Add(1), free: free, length: len(mem)}
	err = p.dev.make(op, m.id, m, func() (err error) {
		if m.mr, err = regMR(p.pd, mem, access); err == nil {
			m.addr, m.lkey, m.rkey = keys(m.mr)
		}
		return err
	})
	if err != nil {
		p.use.release()
		return nil, memlock(err, len(mem))
	}
	return m, nil
}

// memlock names the limit that a registration most often meets.
func memlock(err error, size int) error {
	var l unix.Rlimit
	if !errors.Is(err, unix.ENOMEM) || unix.Getrlimit(unix.RLIMIT_MEMLOCK, &l) != nil || l.Cur == unix.RLIM_INFINITY {
		return err
	}
	return fmt.Errorf("%w: %d bytes, and this process may lock %d in all (RLIMIT_MEMLOCK, ulimit -l; root has CAP_IPC_LOCK)", err, size, l.Cur)
}

// LKey names the region in the requests of the own QPs.
func (m *MR) LKey() uint32 { return m.lkey }

// RKey names the region in a peer's RDMA requests.
func (m *MR) RKey() uint32 { return m.rkey }

// Addr is the address of the first byte, for SGE.Addr and SendWR.RemoteAddr.
func (m *MR) Addr() uint64 { return m.addr }

// Len is the region's length in bytes.
func (m *MR) Len() int { return m.length }

// SGE describes length bytes from off on. It does not check them against the
// region: the device does, and fails the request.
func (m *MR) SGE(off, length int) rxe.SGE {
	return rxe.SGE{Addr: m.addr + uint64(off), Length: uint32(length), LKey: m.lkey}
}

func (m *MR) closeRank() int { return rankMR }

// Close deregisters the memory. Requests that still use it fail. It is
// idempotent.
func (m *MR) Close() error {
	const op = "deregister memory"
	m.closeMu.Lock()
	defer m.closeMu.Unlock()
	if m.closed {
		return nil
	}
	err := m.pd.dev.drop(op, m.id, func() error { return deregMR(m.mr) })
	if isBusy(err) {
		return err
	}
	m.closed = true
	m.pd.use.release()
	m.free()
	return err
}
