package mock

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/hwcq"
)

func open(tb testing.TB, cfg Config) *CQ {
	tb.Helper()
	c, err := New(cfg)
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, c.Close()) })
	return c
}

// wcs makes n completions that can be told apart in every field.
func wcs(first uint64, n int) []hwcq.WC {
	out := make([]hwcq.WC, n)
	for i := range out {
		id := first + uint64(i)
		out[i] = hwcq.WC{
			WRID: id, Opcode: hwcq.OpRecv, VendorErr: uint32(id) + 1, ByteLen: uint32(id) + 2,
			Imm: uint32(id) + 3, QPNum: uint32(id) + 4, SrcQP: uint32(id) + 5, Flags: hwcq.WCFlags(id) + 6,
			PKeyIndex: uint16(id) + 7, SLID: uint16(id) + 8, SL: uint8(id) + 9, DLIDPath: uint8(id) + 10, Port: uint8(id) + 11,
		}
	}
	return out
}

// starts are first indices: plain, and such that a ring wraps soon.
var starts = []uint32{0, 1, math.MaxInt32, math.MaxUint32 - 5, math.MaxUint32}

func TestFullAndEmptyAtPowerOfTwo(t *testing.T) {
	for _, depth := range []int{1, 2, 3, 4, 7, 8, 64} {
		for _, first := range starts {
			t.Run(fmt.Sprintf("depth=%d/first=%#x", depth, first), func(t *testing.T) {
				c := open(t, Config{Depth: depth, FirstIndex: first})
				slots := c.Capabilities().Depth
				assert.GreaterOrEqual(t, slots, depth)
				assert.Less(t, slots, max(2, 2*depth))
				out := make([]hwcq.WC, slots+1)
				for round := range 3 {
					assert.False(t, c.Pending())
					assert.Zero(t, c.Poll(out))
					in := wcs(uint64(100*round), slots)
					for i := range slots {
						stored, err := c.Complete(in[i], false)
						require.NoError(t, err)
						require.True(t, stored, "completion %d of %d", i, slots)
						assert.True(t, c.Pending())
					}
					stored, err := c.Complete(hwcq.WC{WRID: 999}, false)
					require.NoError(t, err)
					assert.False(t, stored)
					assert.EqualValues(t, round+1, c.Overruns())
					require.Equal(t, slots, c.Poll(out))
					assert.Equal(t, in, out[:slots])
				}
				assert.EqualValues(t, 3*slots, c.Stats().Completions)
			})
		}
	}
}

func TestPollWithoutRoom(t *testing.T) {
	c := open(t, Config{Depth: 4})
	assert.Zero(t, c.Poll(nil))
	_, _ = c.CompleteN(wcs(0, 2), false)
	assert.Zero(t, c.Poll(nil))
	assert.Zero(t, c.Poll([]hwcq.WC{}))
	assert.True(t, c.Pending())
	out := make([]hwcq.WC, 1)
	assert.Equal(t, 1, c.Poll(out))
	assert.EqualValues(t, 0, out[0].WRID)
	assert.Equal(t, 1, c.Poll(out))
	assert.EqualValues(t, 1, out[0].WRID)
	assert.Zero(t, c.Poll(out))
}

func TestCompleteN(t *testing.T) {
	c := open(t, Config{Depth: 8, FirstIndex: math.MaxUint32 - 2})
	n, err := c.CompleteN(nil, true)
	require.NoError(t, err)
	assert.Zero(t, n)
	n, err = c.CompleteN(wcs(0, 6), false)
	require.NoError(t, err)
	assert.Equal(t, 6, n)
	n, err = c.CompleteN(wcs(6, 5), false)
	require.NoError(t, err)
	assert.Equal(t, 2, n, "the first ones are kept")
	assert.EqualValues(t, 3, c.Overruns())
	n, err = c.CompleteN(wcs(90, 2), false)
	require.NoError(t, err)
	assert.Zero(t, n)
	assert.EqualValues(t, 5, c.Overruns())
	out := make([]hwcq.WC, 16)
	assert.Equal(t, 8, c.Poll(out))
	assert.Equal(t, wcs(0, 8), out[:8])
}

// model is the ring as one would write it without caring for speed.
type model struct {
	depth    int
	queue    []hwcq.WC
	overruns uint64
}

func (m *model) complete(in []hwcq.WC) int {
	n := min(len(in), m.depth-len(m.queue))
	m.queue = append(m.queue, in[:n]...)
	m.overruns += uint64(len(in) - n)
	return n
}

func (m *model) poll(n int) []hwcq.WC {
	n = min(n, len(m.queue))
	out := m.queue[:n:n]
	m.queue = m.queue[n:]
	return out
}

// step does one operation, chosen and sized by op, on both.
func step(t *testing.T, c *CQ, m *model, op byte, next *uint64) {
	t.Helper()
	size := int(op >> 2)
	switch op & 3 {
	case 0:
		in := wcs(*next, 1)
		*next++
		stored, err := c.Complete(in[0], false)
		require.NoError(t, err)
		require.Equal(t, m.complete(in) == 1, stored)
	case 1:
		in := wcs(*next, size)
		*next += uint64(size)
		n, err := c.CompleteN(in, false)
		require.NoError(t, err)
		require.Equal(t, m.complete(in), n)
	default:
		out := make([]hwcq.WC, size)
		n := c.Poll(out)
		require.Equal(t, m.poll(size), append([]hwcq.WC{}, out[:n]...))
	}
	require.Equal(t, len(m.queue) > 0, c.Pending())
	require.Equal(t, m.overruns, c.Overruns())
}

func TestAgainstModel(t *testing.T) {
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 0))
		depth := 1 << rng.IntN(7)
		c := open(t, Config{Depth: depth, FirstIndex: -rng.Uint32N(200)})
		m, next := &model{depth: depth, queue: []hwcq.WC{}}, uint64(0)
		for range 300 {
			step(t, c, m, byte(rng.Uint32()), &next)
		}
	}
}

func FuzzRing(f *testing.F) {
	f.Add(uint32(0), byte(3), []byte{0, 0, 0, 0, 0, 0x42, 0x81})
	f.Add(uint32(math.MaxUint32), byte(0), []byte{0, 6, 0, 6, 0xff, 0xfe})
	f.Add(uint32(math.MaxUint32-3), byte(6), []byte{0xfd, 0xfe, 0xfd, 0xfe, 0xfd})
	f.Fuzz(func(t *testing.T, first uint32, log byte, ops []byte) {
		depth := 1 << (log % 8)
		c, err := New(Config{Depth: depth, FirstIndex: first})
		require.NoError(t, err)
		m, next := &model{depth: depth, queue: []hwcq.WC{}}, uint64(0)
		for _, op := range ops {
			step(t, c, m, op, &next)
		}
		require.NoError(t, c.Close())
	})
}

func TestSlotsFor(t *testing.T) {
	for depth, want := range map[int]uint32{
		0: DefaultDepth, 1: 1, 2: 2, 3: 4, 4: 4, 5: 8, 1023: 1024, 1024: 1024, 1025: 2048,
		MaxDepth - 1: MaxDepth, MaxDepth: MaxDepth,
	} {
		assert.Equal(t, want, slotsFor(depth), "depth %d", depth)
	}
}

func TestStatsCompletions(t *testing.T) {
	for _, first := range starts {
		c := open(t, Config{Depth: 4, FirstIndex: first})
		_, err := c.CompleteN(wcs(0, 6), false)
		require.NoError(t, err)
		assert.Len(t, pollN(c, 4), 4)
		_, err = c.Complete(hwcq.WC{}, false)
		require.NoError(t, err)
		assert.EqualValues(t, 5, c.Stats().Completions)
		assert.EqualValues(t, 2, c.Stats().Overruns)
		require.NoError(t, c.Close())
		assert.EqualValues(t, 5, c.Stats().Completions, "Close changes no count")
	}
}
