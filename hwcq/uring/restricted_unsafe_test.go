//go:build linux && (amd64 || arm64)

package uring

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/evdengine/evd/hwcq"
)

// What Open says where io_uring is restricted for real: each case is a process of its
// own, this test in a child, which restricts itself and opens.

const restrictedEnv = "EVD_URING_RESTRICTED"

var restrictions = map[string]func() error{
	"seccomp EPERM":  func() error { return denySetup(unix.EPERM) },
	"seccomp ENOSYS": func() error { return denySetup(unix.ENOSYS) },
	"no files":       fillFiles,
	"one file":       func() error { return leaveFiles(1) },
	"memlock":        func() error { return lockedMemory(0) },
	"memlock 64K":    func() error { return lockedMemory(64 << 10) },
}

func TestRestricted(t *testing.T) {
	if name := os.Getenv(restrictedEnv); name != "" {
		inRestriction(restrictions[name])
	}
	haveRing(t)
	for name, c := range map[string]struct {
		kind string
		want []string
	}{
		"seccomp EPERM":  {"unavailable", []string{"seccomp filter", "forbids", "io_uring_setup: operation not permitted"}},
		"seccomp ENOSYS": {"not supported", []string{"seccomp filter", "hides", "io_uring_setup: function not implemented"}},
		"no files":       {"unavailable", []string{"RLIMIT_NOFILE (ulimit -n) (now ", "eventfd: too many open files"}},
		"one file":       {"unavailable", []string{"RLIMIT_NOFILE (ulimit -n) (now ", "io_uring_setup: too many open files"}},
	} {
		t.Run(name, func(t *testing.T) {
			out := runRestricted(t, name)
			require.True(t, strings.HasPrefix(out, c.kind+": uring: open: "), out)
			for _, w := range c.want {
				require.Contains(t, out, w)
			}
		})
	}
}

// Which kernels charge rings to RLIMIT_MEMLOCK differs (before 5.12, and since 6.14), so
// a ring or this error.
func TestNoLockedMemory(t *testing.T) {
	haveRing(t)
	for name, c := range map[string]struct{ where, now string }{
		"memlock":     {"unavailable: uring: open: hwcq: unavailable: no memory for about 28 KiB of rings", "(now 0)"},
		"memlock 64K": {"unavailable: uring: NewBuffers: hwcq: unavailable: no memory for about 64 KiB of rings", "(now 65536)"},
	} {
		out := runRestricted(t, name)
		if out == "opened" {
			t.Log("this kernel does not charge rings to RLIMIT_MEMLOCK")
			continue
		}
		require.True(t, strings.HasPrefix(out, c.where), out)
		require.Contains(t, out, "RLIMIT_MEMLOCK (ulimit -l) "+c.now)
	}
}

// runRestricted runs TestRestricted in a child and returns what it printed.
func runRestricted(t *testing.T, name string) string {
	t.Helper()
	exe, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(exe, "-test.run=^TestRestricted$")
	cmd.Env = append(os.Environ(), restrictedEnv+"="+name)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	return string(out)
}

// inRestriction is the child: it prints what Open says, and exits.
func inRestriction(restrict func() error) {
	out := "opened"
	if err := restrict(); err != nil {
		out = "cannot restrict: " + err.Error()
	} else if r, err := Open(Config{}); err != nil {
		out = "other: " + err.Error()
		for kind, text := range map[error]string{hwcq.ErrUnavailable: "unavailable", hwcq.ErrNotSupported: "not supported"} {
			if errors.Is(err, kind) {
				out = text + ": " + err.Error()
			}
		}
	} else if _, err := r.NewBuffers(BuffersConfig{Count: 4096, Size: 4096}); err != nil {
		out = "unavailable: " + err.Error()
	}
	fmt.Print(out)
	os.Exit(0)
}

// denySetup has io_uring_setup fail with e in this process.
func denySetup(e unix.Errno) error {
	filter := [...]unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0}, // seccomp_data.nr
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: sysSetup, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(e)},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	prog := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	runtime.LockOSThread() // for the two calls; TSYNC has the other threads follow
	defer runtime.UnlockOSThread()
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	_, _, got := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&prog)))
	if got != 0 {
		return got
	}
	return nil
}

// fillFiles leaves no file descriptor free.
func fillFiles() error { return leaveFiles(0) }

// leaveFiles leaves n file descriptors free.
func leaveFiles(n int) error {
	warmUp()
	next, err := unix.Dup(0)
	if err != nil {
		return err
	}
	// next is the lowest that is free; there may be higher ones in use.
	if err := unix.Close(next); err != nil {
		return err
	}
	return unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: uint64(next + n), Max: uint64(next + n)})
}

// warmUp opens what the runtime opens once for itself: its poller.
func warmUp() {
	if r, w, err := os.Pipe(); err == nil {
		r.Close()
		w.Close()
	}
}

// lockedMemory makes this process one of a user who may lock this much memory.
func lockedMemory(limit uint64) error {
	if err := unix.Setrlimit(unix.RLIMIT_MEMLOCK, &unix.Rlimit{Cur: limit, Max: limit}); err != nil {
		return err
	}
	if os.Getuid() == 0 {
		return syscall.Setuid(65534) // and so lose CAP_IPC_LOCK
	}
	return nil
}
