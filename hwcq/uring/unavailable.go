//go:build linux && (amd64 || arm64)

package uring

import (
	"bytes"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/evdengine/evd/hwcq"
)

// host is what an error of io_uring_setup is explained by: what the administrator of
// this machine or container has allowed, and what the kernel knows. Tests have their
// own.
type host struct {
	read  func(path string) ([]byte, error)
	limit func(resource int) (unix.Rlimit, error)
	setup func(entries uint32, p *params) (fd int, e unix.Errno)
}

var system = host{
	read: os.ReadFile,
	limit: func(resource int) (l unix.Rlimit, err error) {
		err = unix.Getrlimit(resource, &l)
		return l, err
	},
	setup: sysRingSetup,
}

// setupFailed says why io_uring_setup failed and what to do about it.
func setupFailed(e unix.Errno, c Config) error { return system.explain(e, c) }

func (h host) explain(e unix.Errno, c Config) error {
	kind, why := hwcq.ErrUnavailable, ""
	switch e {
	case unix.ENOSYS:
		kind, why = hwcq.ErrNotSupported, "this kernel has no io_uring (Linux 5.1, CONFIG_IO_URING)"
		if h.filtered() {
			why = "a seccomp filter of this process hides io_uring, as container profiles do, or the kernel has none: allow io_uring_setup, io_uring_enter and io_uring_register in the profile"
		}
	case unix.EPERM, unix.EACCES:
		why = h.forbidden()
	case unix.ENOMEM:
		why = h.memory(ringBytes(c))
	case unix.EMFILE, unix.ENFILE:
		why = h.files(e)
	case unix.EINVAL:
		kind, why = hwcq.ErrNotSupported, h.lacking(c)
	default:
		return fmt.Errorf("uring: open: %w", os.NewSyscallError("io_uring_setup", e))
	}
	return fmt.Errorf("uring: open: %w: %s: %w", kind, why, os.NewSyscallError("io_uring_setup", e))
}

const (
	disabledFile = "/proc/sys/kernel/io_uring_disabled" // Linux 6.6
	groupFile    = "/proc/sys/kernel/io_uring_group"
	statusFile   = "/proc/self/status"
)

// forbidden says who forbids io_uring.
func (h host) forbidden() string {
	const name = "the sysctl kernel.io_uring_disabled is "
	switch v, _ := h.number(disabledFile); {
	case v == 1:
		return name + "1, which leaves io_uring to processes with CAP_SYS_ADMIN or in the group of kernel.io_uring_group" + h.value(groupFile) + ": set it to 0, join the group, or get the capability"
	case v >= 2:
		return fmt.Sprintf("%s%d, which forbids io_uring to everybody: set it to 0 (sysctl -w kernel.io_uring_disabled=0)", name, v)
	case h.filtered():
		return "a seccomp filter of this process forbids it, as container profiles do: allow io_uring_setup, io_uring_enter and io_uring_register in the profile"
	}
	return "a security policy of this system (LSM) forbids it"
}

// eventFDFailed is setupFailed for the eventfd of a ring.
func eventFDFailed(err error) error {
	e, _ := err.(unix.Errno)
	call := os.NewSyscallError("eventfd", err)
	if e == unix.EMFILE || e == unix.ENFILE {
		return fmt.Errorf("uring: open: %w: %s: %w", hwcq.ErrUnavailable, system.files(e), call)
	}
	return fmt.Errorf("uring: open: %w", call)
}

// files says whose limit of open files was hit.
func (h host) files(e unix.Errno) string {
	if e == unix.ENFILE {
		return "the system has as many files open as it may: raise the sysctl fs.file-max" + h.value("/proc/sys/fs/file-max")
	}
	return "the process has as many files open as it may: raise RLIMIT_NOFILE (ulimit -n)" + h.soft(unix.RLIMIT_NOFILE) + ", or close some"
}

// memory says where memory for rings may be missing. size is how much it takes at least.
func (h host) memory(size uint64) string {
	return fmt.Sprintf("no memory for about %d KiB of rings: raise RLIMIT_MEMLOCK (ulimit -l)%s, which the kernel charges them to for a user without CAP_IPC_LOCK, or ask for smaller ones", (size+1023)/1024, h.soft(unix.RLIMIT_MEMLOCK))
}

// ringBytes is about what the rings of a configuration take.
func ringBytes(c Config) uint64 {
	page := uint64(os.Getpagesize())
	up := func(n uint64) uint64 { return (n + page - 1) &^ (page - 1) }
	return up(uint64(sqeSize)*uint64(c.entries())) + up(64+uint64(cqeSize)*uint64(c.depth()))
}

// lacking says which setup flag of a configuration the kernel does not know.
func (h host) lacking(c Config) string {
	for _, f := range setupFeatures {
		if setupFlags(c)&f.own != 0 && h.accepts(f.flags) == No {
			return fmt.Sprintf("this kernel has no %v (Linux %s)", f.feature, f.feature.Since())
		}
	}
	return fmt.Sprintf("this kernel refuses a ring of Entries %d, Depth %d, shape %v", c.entries(), c.depth(), c.Shape)
}

// setupFeatures are the features that are flags of io_uring_setup, oldest first; flags
// are those to try it with, own being the one that is meant.
var setupFeatures = []struct {
	feature    Feature
	own, flags uint32
}{
	{FeatureSQPoll, setupSQPoll, setupSQPoll},
	{FeatureSubmitAll, setupSubmitAll, setupSubmitAll},
	{FeatureCoopTaskrun, setupCoopTaskrun, setupCoopTaskrun},
	{FeatureSingleIssuer, setupSingleIssuer, setupSingleIssuer},
	{FeatureDeferTaskrun, setupDeferTaskrun, setupSingleIssuer | setupDeferTaskrun},
	{FeatureNoSQArray, setupNoSQArray, setupNoSQArray},
}

// accepts asks the kernel whether it knows flags of io_uring_setup.
func (h host) accepts(flags uint32) Support {
	fd, e := h.setup(1, &params{flags: flags})
	switch e {
	case 0:
		_ = unix.Close(fd) // nothing was done with it
		return Yes
	case unix.EINVAL:
		return No
	}
	return Unknown
}

// filtered tells whether a seccomp filter applies to this process.
func (h host) filtered() bool {
	b, err := h.read(statusFile)
	return err == nil && bytes.Contains(b, []byte("\nSeccomp:\t2"))
}

// number is what a file of /proc/sys holds.
func (h host) number(path string) (int, error) {
	b, err := h.read(path)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(string(bytes.TrimSpace(b)))
}

// value is " (now N)", or nothing if that is not known.
func (h host) value(path string) string {
	b, err := h.read(path)
	if err != nil {
		return ""
	}
	return fmt.Sprintf(" (now %s)", bytes.TrimSpace(b))
}

// soft is the same of a resource limit.
func (h host) soft(resource int) string {
	l, err := h.limit(resource)
	if err != nil {
		return ""
	}
	if l.Cur == unix.RLIM_INFINITY {
		return " (now unlimited)"
	}
	return fmt.Sprintf(" (now %d)", l.Cur)
}
