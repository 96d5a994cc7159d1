//go:build linux && (amd64 || arm64)

package uring

import (
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/hwcq"
)

// More completions than the completion queue holds: the kernel keeps the rest, signals
// none of it, and Poll gets it, in order.
func TestOverflowIsHeldAndFlushed(t *testing.T) {
	overflow := func(t *testing.T, r *Ring) {
		from := open(t, Config{})
		const messages = 20
		for i := range messages {
			q := must(MsgRing(r, uint64(i), uint32(i)))
			submit(t, from, q)
		}
		for _, wc := range collect(t, from, messages) {
			require.Equal(t, hwcq.StatusSuccess, wc.Status)
		}
		var got []hwcq.WC
		dst := make([]hwcq.WC, 3)
		flushes := 0
		for len(got) < messages {
			if r.cqTail.Load() == r.cqHead.Load() {
				missed, err := r.Arm(false)
				require.NoError(t, err)
				require.True(t, missed, "after %d of %d", len(got), messages)
				require.True(t, r.Pending())
				flushes++
			}
			n := r.Poll(dst)
			got = append(got, dst[:n]...)
		}
		for i, wc := range got {
			require.Equal(t, hwcq.WC{WRID: uint64(i), ByteLen: uint32(i), Opcode: OpMsgRing.Opcode()}, wc)
		}
		if !r.conf.SQPoll { // where waking the kernel's thread may do it as well
			require.NotZero(t, flushes)
		}
		s := r.Stats()
		require.NotZero(t, s.Overflows)
		require.Zero(t, s.Lost)
		require.Zero(t, s.Strange)
		for r.Pending() { // a sweep's NOP, of which the kernel's thread is late
			require.Zero(t, r.Poll(dst))
		}
	}
	c := Config{Entries: 4, Depth: 8}
	shapes(t, c, overflow)
	t.Run("sqpoll asleep", func(t *testing.T) {
		c.SQPoll, c.SQPollIdle = true, time.Millisecond
		r := open(t, c)
		require.Eventually(t, func() bool { return r.sqFlags.Load()&sqNeedWakeup != 0 }, 20*time.Second, time.Millisecond)
		overflow(t, r)
	})
}

func must(q Request, err error) Request {
	if err != nil {
		panic(err)
	}
	return q
}

// The kernel holds back what does not fit and signals nothing of it: who has made room
// tells the owner.
func TestOverflowWithAnIdleOwner(t *testing.T) {
	r := ownedElsewhere(t, Config{Entries: 4, Depth: 4})
	from := open(t, Config{Entries: 64})
	const messages = 20
	for i := range messages {
		q, err := MsgRing(r, uint64(i), 0)
		require.NoError(t, err)
		submit(t, from, q)
	}
	collect(t, from, messages)
	eventually(t, r, messages)
}

// ownedElsewhere is an Owner ring whose owner does nothing but wait.
func ownedElsewhere(t *testing.T, c Config) *Ring {
	t.Helper()
	c.Shape = Owner
	r := open(t, c)
	bound := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		bound <- r.Bind()
		for err := error(nil); err == nil; {
			_, err = r.Events().Wait()
		}
	}()
	require.NoError(t, <-bound)
	return r
}

// eventually polls until it has n completions, or for long enough.
func eventually(t *testing.T, r *Ring, n int) {
	t.Helper()
	got, dst := 0, make([]hwcq.WC, 8)
	require.Eventually(t, func() bool { got += r.Poll(dst); return got >= n }, 20*time.Second, 10*time.Microsecond, "some never come")
	require.Equal(t, n, got)
}
