//go:build linux && (amd64 || arm64)

package rxe

import (
	"math"
	"math/bits"
	"sync"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// fakeKernel answers a device's commands as rxe does, until mangle changes an
// answer. Its device file is a memfd without end, so that nothing that is mapped
// of it faults.
type fakeKernel struct {
	t      testing.TB
	fd     int
	mangle func(cmd uint32, core, driver []byte) unix.Errno
	gids   []GIDEntry // the table; empty: one entry of zeros

	mu     sync.Mutex
	next   uint32
	offset int64
	live   map[uint32]int // objects by the command that made them
	asyncW int
}

// Object kinds and the command that destroys them.
var destroys = map[uint32]uint32{
	cmdDeallocPD: cmdAllocPD, cmdDeregMR: cmdRegMR, cmdDestroyCQ: cmdCreateCQ, cmdDestroyQP: cmdCreateQP,
	cmdDestroySRQ: cmdCreateSRQ, cmdDeallocMW: cmdAllocMW, cmdDestroyAH: cmdCreateAH,
}

// openFake opens a device on a fake kernel.
func openFake(t testing.TB, mangle func(cmd uint32, core, driver []byte) unix.Errno) (*Device, *fakeKernel, error) {
	t.Helper()
	fd, err := unix.MemfdCreate("rxe-fake", unix.MFD_CLOEXEC)
	require.NoError(t, err)
	require.NoError(t, unix.Ftruncate(fd, math.MaxInt64&^0xffff))
	k := &fakeKernel{t: t, fd: fd, mangle: mangle, offset: 1 << 20, live: map[uint32]int{}, asyncW: -1}
	d, err := newDevice(fd, DeviceInfo{Name: "fake0", RXE: true, NetDev: "eth0"}, nil, new(removal), k.ioctl)
	return d, k, err
}

// ioctl is the kernel's side of one call.
func (k *fakeKernel) ioctl(page []byte) unix.Errno {
	k.mu.Lock()
	defer k.mu.Unlock()
	n := int(le.Uint16(page[6:]))
	if int(le.Uint16(page)) != ioctlHdr+n*ioctlAttr || le.Uint32(page[16:]) != driverRXE {
		k.t.Errorf("a call of %d bytes with %d attributes", le.Uint16(page), n)
		return unix.EINVAL
	}
	base := uint64(uintptr(unsafe.Pointer(&page[0])))
	var cmd uint32
	var in, core, driver []byte
	for i := range n {
		a := page[ioctlHdr+i*ioctlAttr:]
		id, length, data := le.Uint16(a), int(le.Uint16(a[2:])), le.Uint64(a[8:])
		at := func() []byte { return page[data-base:][:length] }
		if le.Uint16(page[4:]) == methodGIDs {
			switch id {
			case 2: // elsewhere
				table := unsafe.Slice((*byte)(unsafe.Add(nil, data)), length)
				for i, g := range k.gids {
					copy(table[i*gidEntSize:], append(g.GID[:], words(nil, uint32(g.Index), uint32(g.Port), uint32(g.Type), uint32(g.IfIndex))...))
				}
			case 3:
				core = at()
			}
			continue
		}
		switch id {
		case attrWriteCmd:
			cmd = uint32(data)
		case attrCoreIn:
			if in = a[8:16][:min(8, length)]; length > 8 {
				in = at()
			}
		case attrCoreOut:
			core = at()
		case attrDriverOut:
			driver = at()
		}
	}
	if le.Uint16(page[4:]) == methodGIDs {
		cmd = fakeGIDs
		le.PutUint64(core, uint64(max(1, len(k.gids))))
	} else if e := k.answer(cmd, in, core, driver); e != 0 {
		return e
	}
	if k.mangle != nil {
		return k.mangle(cmd, core, driver)
	}
	return 0
}

// fakeGIDs stands for QUERY_GID_TABLE, which is no write command.
const fakeGIDs = 1000

func (k *fakeKernel) answer(cmd uint32, in, core, driver []byte) unix.Errno {
	word := func(off int) uint32 { return le.Uint32(in[off:]) }
	if made, ok := destroys[cmd]; ok {
		k.live[made]--
		return 0
	}
	k.next++
	switch cmd {
	case cmdGetContext:
		p, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
		require.NoError(k.t, err)
		k.asyncW = p[1]
		le.PutUint32(core, uint32(p[0]))
		le.PutUint32(core[4:], 2)
	case cmdCreateChannel:
		fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
		require.NoError(k.t, err)
		le.PutUint32(core, uint32(fd))
	case cmdQueryDevice:
		le.PutUint32(core[52:], 1000)
		le.PutUint32(core[56:], 1<<20)
		le.PutUint32(core[64:], 32)
		le.PutUint32(core[72:], 1000)
		le.PutUint32(core[76:], 32767)
		le.PutUint32(core[160:], 1<<20)
		le.PutUint32(core[164:], 27)
		core[171] = 1
	case cmdQueryPort:
		le.PutUint32(core[16:], 16)
		core[26], core[27], core[28], core[37] = 4, 5, 3, 2
	case cmdAllocPD, cmdRegMR, cmdAllocMW, cmdCreateAH:
		k.live[cmd]++
		le.PutUint32(core, k.next)
	case cmdCreateCQ:
		k.live[cmd]++
		mask := slotMask(word(16))
		le.PutUint32(core, k.next)
		le.PutUint32(core[4:], mask)
		k.queue(driver, mask, 7)
	case cmdResizeCQ:
		mask := slotMask(word(12))
		le.PutUint32(core, mask)
		k.queue(driver, mask, 7)
	case cmdCreateSRQ:
		k.live[cmd]++
		le.PutUint32(core, k.next)
		k.queue(driver, slotMask(word(20)), 10)
	case cmdCreateQP:
		k.live[cmd]++
		le.PutUint32(core, k.next)
		le.PutUint32(core[4:], k.next)
		copy(core[8:28], in[32:52])
		k.queue(driver, slotMask(word(36)), 10)
		k.queue(driver[mmInfoSize:], slotMask(word(32)), 10)
	}
	return 0
}

func slotMask(n uint32) uint32 { return 1<<bits.Len32(n) - 1 }

// queue makes a queue and says where it is.
func (k *fakeKernel) queue(mm []byte, mask, log2 uint32) {
	size := ringDataOff + (mask+1)<<log2
	_, err := unix.Pwrite(k.fd, words(nil, log2, mask), k.offset)
	require.NoError(k.t, err)
	le.PutUint64(mm, uint64(k.offset))
	le.PutUint32(mm[8:], size)
	k.offset += int64(size) + 1<<16
	k.offset &^= 0xffff
}

// async writes b to the device's async fd.
func (k *fakeKernel) async(b []byte) {
	_, err := unix.Write(k.asyncW, b)
	require.NoError(k.t, err)
}

// gone checks that everything made was destroyed, and closes the kernel's end.
func (k *fakeKernel) gone() {
	k.t.Helper()
	if k.asyncW >= 0 {
		require.NoError(k.t, unix.Close(k.asyncW))
	}
	for cmd, n := range k.live {
		require.Zero(k.t, n, "objects of command %d", cmd)
	}
}

func addrOf(b []byte) uint64 { return uint64(uintptr(unsafe.Pointer(unsafe.SliceData(b)))) }
