//go:build linux && (amd64 || arm64)

package rxe

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/hwcq"
)

func newFakeConsumer(t testing.TB, slots, index uint32) (*CQ, *fakeRing) {
	f := newFakeRing(t, slots, 7, index)
	return f.consumer(index), f
}

// Completions come out once each, in order, unharmed, whatever the batch
// sizes and wherever the indices wrap.
func TestConsumerAgainstModel(t *testing.T) {
	for _, slots := range []uint32{2, 8, 64} {
		for _, start := range []uint32{0, slots - 1, slots / 2} {
			t.Run(fmt.Sprintf("slots=%d/start=%d", slots, start), func(t *testing.T) {
				c, f := newFakeConsumer(t, slots, start)
				rng := rand.New(rand.NewPCG(uint64(slots), uint64(start)))
				var model []hwcq.WC
				dst := make([]hwcq.WC, 80)
				id := uint64(0)
				for range 1500 {
					for range rng.IntN(int(slots)) {
						id++
						wc := hwcq.WC{WRID: id, Opcode: hwcq.OpRecv, ByteLen: uint32(id * 3), QPNum: 17, Status: hwcq.Status(id % 5)}
						if f.complete(wc) {
							model = append(model, wc)
						} else {
							require.Len(t, model, int(slots-1), "full with one slot free")
						}
					}
					require.Equal(t, len(model) > 0, c.pending())
					batch := rng.IntN(len(dst))
					n := c.Poll(dst[:batch])
					require.Equal(t, min(batch, len(model)), n)
					require.True(t, slices.Equal(model[:n], dst[:n]))
					model = model[n:]
				}
			})
		}
	}
}

func TestConsumerEmptyDst(t *testing.T) {
	c, f := newFakeConsumer(t, 8, 0)
	f.complete(hwcq.WC{WRID: 1})
	require.Zero(t, c.Poll(nil))
	require.True(t, c.pending())
	require.Equal(t, 1, c.Poll(make([]hwcq.WC, 4)))
	require.Zero(t, c.Poll(make([]hwcq.WC, 4)))
}

// The consumer index moves once per batch, after the copy.
func TestConsumerPublishesOncePerBatch(t *testing.T) {
	c, f := newFakeConsumer(t, 16, 12)
	for i := range 9 {
		require.True(t, f.complete(hwcq.WC{WRID: uint64(i)}))
	}
	require.Equal(t, 6, c.Poll(make([]hwcq.WC, 6)))
	require.EqualValues(t, (12+6)&15, f.r.cons.Load())
}

func TestConsumerCorruptIndex(t *testing.T) {
	for _, prod := range []uint32{8, 9, 0x80000000, ^uint32(0)} {
		c, f := newFakeConsumer(t, 8, 0)
		f.r.prod.Store(prod)
		require.Zero(t, c.Poll(make([]hwcq.WC, 4)), "index %#x", prod)
		require.EqualValues(t, consumerCorrupt, c.stat.Load())
		require.False(t, c.pending(), "a corrupt ring has nothing to offer")
		f.r.prod.Store(1)
		require.Zero(t, c.Poll(make([]hwcq.WC, 4)), "corruption is final")
	}
}

func TestConsumerClosed(t *testing.T) {
	c, f := newFakeConsumer(t, 8, 0)
	f.complete(hwcq.WC{WRID: 1})
	c.stat.Store(consumerClosed)
	require.False(t, c.pending())
	require.Zero(t, c.Poll(make([]hwcq.WC, 4)))
}

func TestConsumerDoesNotAllocate(t *testing.T) {
	c, f := newFakeConsumer(t, 64, 0)
	dst := make([]hwcq.WC, 16)
	got := 0
	require.Zero(t, testing.AllocsPerRun(200, func() {
		for range 10 {
			f.complete(hwcq.WC{WRID: 1})
		}
		got += c.Poll(dst)
		got += c.Poll(dst)
		_ = c.pending()
	}))
	require.Equal(t, 201*10, got)
}

// A producer and a consumer on two goroutines, as the kernel and the poller
// are.
func TestConsumerBesideProducer(t *testing.T) {
	c, f := newFakeConsumer(t, 32, 0)
	const total = 50_000
	go func() {
		for i := uint64(0); i < total; {
			if f.complete(hwcq.WC{WRID: i, ByteLen: uint32(i)}) {
				i++
			} else {
				runtime.Gosched()
			}
		}
	}()
	dst := make([]hwcq.WC, 7)
	for want := uint64(0); want < total; {
		n := c.Poll(dst)
		if n == 0 {
			runtime.Gosched()
		}
		for _, wc := range dst[:n] {
			if wc.WRID != want || wc.ByteLen != uint32(want) {
				t.Fatalf("got %d/%d, want %d", wc.WRID, wc.ByteLen, want)
			}
			want++
		}
	}
}

func FuzzConsumer(f *testing.F) {
	f.Add(uint32(3), uint32(1), 5)
	f.Add(^uint32(0), uint32(7), 1)
	f.Fuzz(func(t *testing.T, prod, next uint32, batch int) {
		c, ring := newFakeConsumer(t, 16, next&15)
		ring.r.prod.Store(prod)
		batch = min(max(batch, 0), 100)
		n := c.Poll(make([]hwcq.WC, batch))
		if n < 0 || n > min(batch, 15) {
			t.Fatalf("%d of %d", n, batch)
		}
		if prod > 15 && n != 0 {
			t.Fatalf("index %d accepted", prod)
		}
	})
}

func BenchmarkPoll(b *testing.B) {
	for _, ready := range []int{0, 1, 16} {
		b.Run(fmt.Sprintf("ready=%d", ready), func(b *testing.B) {
			c, f := newFakeConsumer(b, 64, 0)
			dst := make([]hwcq.WC, 32)
			b.ReportAllocs()
			for b.Loop() {
				if ready > 0 {
					prod := (f.r.prod.Load() + uint32(ready)) & f.r.mask
					f.r.prod.Store(prod)
				}
				if c.Poll(dst) != ready {
					b.Fatal("wrong count")
				}
			}
		})
	}
}

// While the ring is replaced there is always a reason to look; the odd count
// is what says so, and a count that moved under the look.
func TestPendingWhileReplaced(t *testing.T) {
	c, _ := newFakeConsumer(t, 8, 0)
	require.False(t, c.pending())
	c.swaps.Add(1)
	require.True(t, c.pending())
	c.stat.Store(consumerClosed)
	require.False(t, c.pending(), "unless it is closed")
	c.stat.Store(consumerOpen)
	c.swaps.Add(1)
	require.False(t, c.pending())
}
