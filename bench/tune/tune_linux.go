package tune

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/evdengine/evd/internal/threads"
)

// dmaFile holds a limit for as long as it is open.
// Source: the kernel's documentation of PM Quality of Service: 32 bits, in
// microseconds.
var dmaFile = "/dev/cpu_dma_latency"

func limitDMA(d time.Duration) (func(), error) {
	f, err := os.OpenFile(dmaFile, os.O_WRONLY, 0)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, refused(err, "a kernel with CONFIG_CPU_IDLE whose host lets it choose idle states")
	case err != nil:
		return nil, refused(err, "root")
	}
	us := binary.NativeEndian.AppendUint32(nil, uint32(d.Microseconds()))
	if _, err := f.Write(us); err != nil {
		_ = f.Close()
		return nil, refused(err, "a kernel with CONFIG_CPU_IDLE")
	}
	return func() { _ = f.Close() }, nil
}

// lockMemory keeps pages once they were used. (To bring in all that is mapped would
// be to fill the memory: Go reserves far more than it uses.)
//
// A limit may be hit later, by any allocation, and then the process ends: so there
// must be none.
func lockMemory() (func(), error) {
	const needs = "root, or no limit of locked memory (ulimit -l unlimited)"
	var l unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_MEMLOCK, &l); err != nil {
		return nil, refused(os.NewSyscallError("getrlimit", err), needs)
	}
	if l.Cur != unix.RLIM_INFINITY && os.Geteuid() != 0 {
		return nil, refused(fmt.Errorf("the limit of locked memory is %d KiB", l.Cur>>10), needs)
	}
	if err := unix.Mlockall(unix.MCL_CURRENT | unix.MCL_FUTURE | unix.MCL_ONFAULT); err != nil {
		return nil, refused(os.NewSyscallError("mlockall", err), needs)
	}
	return func() { _ = unix.Munlockall() }, nil
}

var policies = map[string]uint32{"fifo": unix.SCHED_FIFO, "rr": unix.SCHED_RR}

// apply gives all threads the policy. Those made later have it from those that make
// them, and get the first one's old policy back.
func (p Prio) apply() (func(), error) {
	first, err := unix.SchedGetAttr(0, 0)
	if err != nil {
		return nil, refused(os.NewSyscallError("sched_getattr", err), "Linux 3.14")
	}
	old := map[int]*unix.SchedAttr{}
	restore := func() {
		_ = threads.Each(func(tid int) error {
			back := old[tid]
			if back == nil {
				back = first
			}
			_ = unix.SchedSetAttr(tid, back, 0) // and go on: the others get theirs back
			return nil
		})
	}
	err = threads.Each(func(tid int) error {
		was, err := unix.SchedGetAttr(tid, 0)
		if err != nil {
			return err
		}
		old[tid] = was
		return unix.SchedSetAttr(tid, &unix.SchedAttr{
			Size: unix.SizeofSchedAttr, Policy: policies[p.Policy], Priority: uint32(p.Level),
		}, 0)
	})
	if err != nil {
		restore()
		return nil, refused(os.NewSyscallError("sched_setattr", err),
			"root, or a limit of real-time priorities of "+strconv.Itoa(p.Level)+" (ulimit -r)")
	}
	return restore, nil
}
