//go:build linux && (amd64 || arm64)

package uring

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/hwcq"
)

// More completions than the completion queue holds: the kernel keeps the rest, signals
// none of it, and Poll gets it, in order.
func TestOverflowIsHeldAndFlushed(t *testing.T) {
	shapes(t, Config{Entries: 4, Depth: 8}, func(t *testing.T, r *Ring) {
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
		require.NotZero(t, flushes)
		s := r.Stats()
		require.NotZero(t, s.Overflows)
		require.Zero(t, s.Lost)
		require.Zero(t, s.Strange)
		require.False(t, r.Pending())
	})
}

func must(q Request, err error) Request {
	if err != nil {
		panic(err)
	}
	return q
}
