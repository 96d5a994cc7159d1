//go:build linux && (amd64 || arm64)

package rxe

import (
	"os"
	"os/exec"
	"runtime"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/evdengine/evd/hwcq"
)

// A process that changes its credentials goes on: the kernel then refuses write(), which
// the test makes sure of, and every hot command goes by ioctl. In a child, because the
// change cannot be undone.
func TestRXECredentials(t *testing.T) {
	needRXE(t)
	const env = "EVD_RXE_TEST_SETUID"
	if os.Getenv(env) == "" {
		cmd := exec.Command(os.Args[0], "-test.run=^TestRXECredentials$", "-test.v")
		cmd.Env = append(os.Environ(), env+"=1")
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
		require.Contains(t, string(out), "with other credentials")
		return
	}
	for _, how := range []WaitMethod{WaitRead, WaitPoll, WaitRuntime} {
		t.Run(how.String(), func(t *testing.T) {
			for _, when := range []string{"opened before", "opened after"} {
				d := needRXE(t)
				if when == "opened before" {
					require.NoError(t, unix.Setgroups([]int{}))
					require.NoError(t, unix.Setuid(os.Getuid()))
				}
				credentials(t, d, how)
				require.True(t, d.byIoctl.Load(), "no command was refused: %s", when)
			}
		})
	}
	t.Log("with other credentials")
}

// credentials has traffic go on from many threads.
func credentials(t *testing.T, d *Device, how WaitMethod) {
	const pairs, rounds = 4, 30
	c := endConfig{cq: CQConfig{Wait: how}, qp: QPConfig{Inline: 16}}
	var wg sync.WaitGroup
	for range pairs {
		a, b := newPair(t, d, c, ConnectConfig{})
		wg.Go(func() {
			runtime.LockOSThread() // so that there are as many threads
			defer runtime.UnlockOSThread()
			var dst [4]hwcq.WC
			for i := range uint64(rounds) {
				err := b.qp.PostRecv(&RecvWR{WRID: i, SGL: []SGE{b.mr.SGE(0, 16)}})
				if err == nil {
					_, err = b.cq.Arm(i%2 == 1)
				}
				if err == nil {
					err = a.qp.PostSend(&SendWR{Op: OpSend, Flags: Inline | Solicited, InlineData: []byte("hello")})
				}
				ev := true
				if err == nil {
					ev, err = b.cq.Events().Wait()
				}
				if n := b.cq.Poll(dst[:]); err != nil || !ev || n != 1 || dst[0].WRID != i || dst[0].Status != hwcq.StatusSuccess {
					t.Error(i, err, ev, n, dst[0])
					return
				}
			}
		})
	}
	wg.Wait()
	e := newEnd(t, d, c)
	var fail int
	require.Zero(t, testing.AllocsPerRun(50, func() {
		if _, err := e.cq.Arm(false); err != nil {
			fail++
		}
		e.cq.Events().Wake()
		if ev, err := e.cq.Events().Wait(); ev || err != nil {
			fail++
		}
	}))
	require.Zero(t, fail)
	res := make(chan error)
	go func() {
		_, err := e.cq.Events().Wait()
		res <- err
	}()
	require.NoError(t, e.qp.Close())
	require.NoError(t, e.cq.Close())
	require.ErrorIs(t, <-res, hwcq.ErrClosed)
}
