//go:build linux && (amd64 || arm64)

package rxe

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/internal/param"
)

// What is asked for above the device's limit is refused with the limit's name
// and value, whatever they are.
func TestDeviceLimitsAreNamed(t *testing.T) {
	d, k, err := openFake(t, func(cmd uint32, core, _ []byte) unix.Errno {
		if cmd == cmdQueryDevice {
			le.PutUint32(core[56:], 100) // MaxQPWR
			le.PutUint32(core[64:], 3)   // MaxSGE
			le.PutUint32(core[76:], 50)  // MaxCQE
		}
		return 0
	})
	require.NoError(t, err)
	refused := func(err error, want ...string) {
		t.Helper()
		require.ErrorIs(t, err, param.ErrInvalid)
		for _, w := range want {
			require.ErrorContains(t, err, w)
		}
	}
	_, err = d.OpenCQ(CQConfig{Depth: 51, Wait: WaitPoll})
	refused(err, "rxe: OpenCQ: Depth = 51: must be at most 50, MaxCQE of fake0")
	_, err = d.OpenCQ(CQConfig{Depth: 50, MaxDepth: 51, Wait: WaitPoll})
	refused(err, "MaxDepth = 51: must be at most 50, MaxCQE of fake0")
	_, err = d.OpenCQ(CQConfig{Wait: WaitPoll})
	refused(err, "Depth = 1023", "at most 50")
	cq, err := d.OpenCQ(CQConfig{Depth: 50, Wait: WaitPoll})
	require.NoError(t, err)
	pd, err := d.OpenPD()
	require.NoError(t, err)
	_, err = pd.OpenQP(QPConfig{SendCQ: cq, SendDepth: 101, RecvDepth: 200, MaxSGE: 4})
	refused(err, "SendDepth = 101: must be at most 100, MaxQPWR of fake0", "RecvDepth = 200", "MaxSGE = 4: must be at most 3, MaxSGE of fake0")
	_, err = pd.OpenQP(QPConfig{SendCQ: cq, SendDepth: 100, RecvDepth: 100, MaxSGE: 3})
	require.NoError(t, err)
	require.NoError(t, d.Close())
	k.gone()
}

// What is used up is named, with how much there is.
func TestExhaustionIsNamed(t *testing.T) {
	for _, c := range []struct {
		cmd  uint32
		e    unix.Errno
		want string
	}{
		{cmdAllocPD, unix.ENOMEM, "MaxPD = 0"},
		{cmdAllocPD, unix.EINVAL, "MaxPD = 0"},
		{cmdCreateCQ, unix.ENOMEM, "MaxCQ = 1000"},
		{cmdCreateCQ, unix.EINVAL, "MaxCQ = 1000"},
		{cmdCreateQP, unix.ENOSPC, "MaxQP = 1000"},
		{cmdRegMR, unix.ENOSPC, "MaxMR = 0"},
		{cmdRegMR, unix.ENOMEM, "RLIMIT_MEMLOCK"},
		{cmdRegMR, unix.EFAULT, "not writable"},
		{cmdCreateChannel, unix.EMFILE, "RLIMIT_NOFILE"},
		{cmdDeregMR, unix.EINVAL, "busy: a memory window is bound"},
	} {
		d, k, err := openFake(t, nil)
		require.NoError(t, err)
		k.mangle = func(cmd uint32, core, _ []byte) unix.Errno {
			switch {
			case cmd != c.cmd:
				return 0
			case cmd == cmdDeregMR: // once: Close of the device tries again
				c.cmd = cmdGetContext
				k.live[cmdRegMR]++
			case cmd == cmdCreateChannel:
				_ = unix.Close(int(le.Uint32(core)))
			default:
				k.live[cmd]--
			}
			return c.e
		}
		err = openAll(d, WaitPoll)
		require.ErrorIs(t, err, c.e)
		require.ErrorContains(t, err, c.want)
		require.NoError(t, d.Close())
		k.gone()
	}
}

// The local GID: by index, by index and GID, or the default one.
func TestSGIDIsLookedUp(t *testing.T) {
	d := needRXE(t)
	gids, err := d.GIDs()
	require.NoError(t, err)
	def, err := d.DefaultGID()
	require.NoError(t, err)
	for _, g := range gids {
		got, err := d.sgid(GIDEntry{Index: g.Index, GID: g.GID})
		require.NoError(t, err)
		require.Equal(t, g, got)
		if g.Index != 0 {
			got, err = d.sgid(GIDEntry{Index: g.Index})
			require.NoError(t, err)
			require.Equal(t, g, got)
		}
	}
	got, err := d.sgid(GIDEntry{})
	require.NoError(t, err)
	require.Equal(t, def, got)

	quick := endConfig{cq: CQConfig{Wait: WaitPoll}}
	a, b := newEnd(t, d, quick), newEnd(t, d, quick)
	to, err := b.qp.Dest()
	require.NoError(t, err)
	for _, bad := range []GIDEntry{{Index: 200}, {Index: 200, GID: def.GID}, {Index: def.Index, GID: GID{1, 2}}} {
		err := a.qp.Connect(to, ConnectConfig{SGID: bad})
		require.ErrorIs(t, err, param.ErrInvalid)
		require.ErrorContains(t, err, fmt.Sprintf("SGID.Index = %d", bad.Index))
		require.ErrorContains(t, err, fmt.Sprintf("%d: %s RoCE v2", def.Index, def.GID), "the valid ones are named")
		require.Equal(t, StateInit, a.qp.State(), "nothing has changed")
	}
	require.NoError(t, a.qp.Connect(to, ConnectConfig{SGID: GIDEntry{Index: def.Index}}))
}

// The limits of a real device hold.
func TestRXELimits(t *testing.T) {
	d := needRXE(t)
	a, err := d.QueryDevice()
	require.NoError(t, err)
	require.Equal(t, a, d.limits)
	_, err = d.OpenCQ(CQConfig{Depth: a.MaxCQE + 1})
	require.ErrorContains(t, err, fmt.Sprintf("at most %d, MaxCQE of %s", a.MaxCQE, d.Info().Name))
	cq, err := d.OpenCQ(CQConfig{Depth: a.MaxCQE})
	require.NoError(t, err)
	require.Equal(t, a.MaxCQE, cq.Capabilities().Depth)
	pd, err := d.OpenPD()
	require.NoError(t, err)
	_, err = pd.OpenQP(QPConfig{SendCQ: cq, SendDepth: a.MaxQPWR + 1})
	require.ErrorContains(t, err, fmt.Sprintf("at most %d, MaxQPWR of %s", a.MaxQPWR, d.Info().Name))
	qp, err := pd.OpenQP(QPConfig{SendCQ: cq, SendDepth: 20000, MaxSGE: a.MaxSGE, Inline: 512})
	require.NoError(t, err)
	require.GreaterOrEqual(t, qp.SendDepth(), 20000)
}

// With too few file descriptors the error says so, and nothing leaks.
func TestRXEFileLimit(t *testing.T) {
	d := needRXE(t)
	var was unix.Rlimit
	require.NoError(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &was))
	low := was
	low.Cur = highestFD(t) + 12
	named := fmt.Sprintf("RLIMIT_NOFILE = %d", low.Cur)
	require.NoError(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &low))
	defer func() { require.NoError(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &was)) }()
	var cqs []*CQ
	for {
		cq, err := d.OpenCQ(CQConfig{Depth: 10, Wait: WaitPoll})
		if err != nil {
			require.ErrorIs(t, err, unix.EMFILE)
			require.ErrorContains(t, err, named)
			break
		}
		cqs = append(cqs, cq)
		require.Less(t, len(cqs), 12)
	}
	_, err := Open(Config{})
	require.ErrorIs(t, err, unix.EMFILE)
	require.ErrorContains(t, err, named)
	require.NotEmpty(t, cqs)
	require.NoError(t, cqs[0].Close())
	cq, err := d.OpenCQ(CQConfig{Depth: 10, Wait: WaitPoll})
	require.NoError(t, err, "what was given back can be used")
	require.NoError(t, cq.Close())
	for _, cq := range cqs[1:] {
		require.NoError(t, cq.Close())
	}
}

// highestFD is the greatest file descriptor in use.
func highestFD(t *testing.T) (top uint64) {
	ents, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	for _, e := range ents {
		n, err := strconv.ParseUint(e.Name(), 10, 32)
		require.NoError(t, err)
		top = max(top, n)
	}
	return top
}

// asNobody runs a test of this binary again as an ordinary user, in a child, and
// returns true in the child.
func asNobody(t *testing.T) (child bool) {
	const env = "EVD_RXE_TEST_NOBODY"
	if os.Getenv(env) == t.Name() {
		return true
	}
	bin, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(bin, "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), env+"="+t.Name())
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), "child is done")
	return false
}

// needRoot skips a test that has to become somebody else.
func needRoot(t *testing.T) {
	needRXE(t)
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
}

// More memory than may be pinned: the error names the limit, its value, and what
// to do.
func TestRXEMemlock(t *testing.T) {
	if os.Getuid() == 0 {
		needRoot(t)
	}
	if os.Getuid() == 0 && !asNobody(t) {
		return
	}
	d := needRXE(t)
	const limit = 64 << 10
	require.NoError(t, unix.Setrlimit(unix.RLIMIT_MEMLOCK, &unix.Rlimit{Cur: limit, Max: limit}))
	pd, err := d.OpenPD()
	require.NoError(t, err)
	big, err := OpenBuffer(2 * limit)
	require.NoError(t, err)
	_, err = pd.Reg(big, LocalWrite)
	require.ErrorIs(t, err, unix.ENOMEM)
	require.ErrorContains(t, err, "RLIMIT_MEMLOCK = 65536")
	require.ErrorContains(t, err, "ulimit -l")
	require.NoError(t, big.Close(), "it is not held")
	small, err := OpenBuffer(limit / 2)
	require.NoError(t, err)
	mr, err := pd.Reg(small, LocalWrite)
	require.NoError(t, err)
	_, err = pd.RegBytes(make([]byte, limit), LocalWrite)
	require.ErrorContains(t, err, "RLIMIT_MEMLOCK", "what is pinned already counts")
	require.NoError(t, mr.Close())
	t.Log("child is done")
}

// A device node that others may not open: told what to do.
func TestRXEPermission(t *testing.T) {
	if os.Getuid() == 0 {
		needRoot(t)
		devs, err := Devices()
		require.NoError(t, err)
		for _, d := range devs {
			st, err := os.Stat(d.Node)
			require.NoError(t, err)
			require.NoError(t, os.Chmod(d.Node, 0o600))
			defer func() { require.NoError(t, os.Chmod(d.Node, st.Mode().Perm())) }()
		}
		if !asNobody(t) {
			return
		}
	}
	if os.Getenv("EVD_RXE_TEST_NOBODY") == "" {
		t.Skip("needs root")
	}
	_, err := Open(Config{})
	require.ErrorIs(t, err, hwcq.ErrUnavailable)
	require.ErrorIs(t, err, fs.ErrPermission)
	require.ErrorContains(t, err, "/dev/infiniband/uverbs")
	require.ErrorContains(t, err, "run as root")
	t.Log("child is done")
}
