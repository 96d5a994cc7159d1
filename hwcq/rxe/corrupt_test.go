//go:build linux && (amd64 || arm64)

package rxe

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/evdengine/evd/engine"
	"github.com/evdengine/evd/hwcq"
)

// Shared memory that holds what it must not: told, and never followed.

// corruptions of a completion queue of 16 slots in which 3 completions wait.
var corruptions = map[string]func(f *fakeRing){
	"producer just outside":   func(f *fakeRing) { f.r.prod.Store(16) },
	"producer far outside":    func(f *fakeRing) { f.r.prod.Store(^uint32(0)) },
	"consumer outside":        func(f *fakeRing) { f.r.cons.Store(1 << 31) },
	"consumer moved forward":  func(f *fakeRing) { f.r.cons.Store(2) },
	"consumer is producer":    func(f *fakeRing) { f.r.cons.Store(3) },
	"consumer moved backward": func(f *fakeRing) { f.r.cons.Store(15) },
}

func TestCorruptCQ(t *testing.T) {
	for name, corrupt := range corruptions {
		t.Run(name, func(t *testing.T) {
			q, f, ch := newFakeCQ(t, 16)
			for i := range 3 {
				require.True(t, f.complete(hwcq.WC{WRID: uint64(i + 1)}))
			}
			corrupt(f)
			dst := make([]hwcq.WC, 32)
			require.Zero(t, q.Poll(dst))
			require.False(t, q.Pending())
			missed, err := q.Arm(false)
			require.ErrorIs(t, err, ErrCorrupt)
			require.ErrorIs(t, err, hwcq.ErrCorrupt)
			require.False(t, missed)
			ch.event(7) // one that had come already may come out
			for _, wait := range []func() (bool, error){q.Events().TryWait, q.Events().Wait} {
				event, err := wait()
				if event {
					_, err = wait()
				}
				require.ErrorIs(t, err, hwcq.ErrCorrupt)
			}

			// It is for good, also when the memory looks sound again.
			f.r.cons.Store(0)
			f.r.prod.Store(3)
			require.Zero(t, q.Poll(dst))
			require.False(t, q.Pending())
			_, err = q.Arm(true)
			require.ErrorIs(t, err, ErrCorrupt)

			require.NoError(t, q.Close())
			_, err = q.Arm(false)
			require.ErrorIs(t, err, hwcq.ErrClosed, "closed wins over corrupt")
			_, err = q.Events().Wait()
			require.ErrorIs(t, err, hwcq.ErrClosed)
		})
	}
}

// An index outside the ring is found by Pending and by Arm too, without a Poll.
func TestCorruptCQIsFoundByArm(t *testing.T) {
	for _, name := range []string{"producer just outside", "producer far outside", "consumer outside"} {
		q, f, _ := newFakeCQ(t, 16)
		corruptions[name](f)
		_, err := q.Arm(false)
		require.ErrorIs(t, err, ErrCorrupt, name)
		require.Zero(t, q.Poll(make([]hwcq.WC, 4)))
		require.NoError(t, q.Close())
	}
}

// One who sleeps when somebody else finds out comes out and is told.
func TestCorruptCQWakesWaiter(t *testing.T) {
	q, f, _ := newFakeCQ(t, 16)
	res := make(chan error)
	go func() {
		for {
			if _, err := q.Events().Wait(); err != nil {
				res <- err
				return
			}
		}
	}()
	require.Eventually(t, func() bool { return q.src.reader.Load() == readerWait }, patience, time.Millisecond)
	f.r.prod.Store(99)
	require.Zero(t, q.Poll(make([]hwcq.WC, 4)))
	_, err := q.Arm(false)
	require.ErrorIs(t, err, ErrCorrupt)
	require.ErrorIs(t, <-res, ErrCorrupt)
	require.NoError(t, q.Close())
}

// The same on a channel that it shares with others.
func TestCorruptCQOnSharedChannel(t *testing.T) {
	q, f, _ := newFakeCQ(t, 16)
	tp := &tap{id: 7, g: newGuard(), tok: make(chan struct{}, 1)}
	q.ev, q.g = tp, &tp.g
	res := make(chan error)
	go func() {
		_, err := q.Events().Wait()
		res <- err
	}()
	f.r.prod.Store(99)
	require.Zero(t, q.Poll(make([]hwcq.WC, 4)))
	_, err := q.Arm(false)
	require.ErrorIs(t, err, ErrCorrupt)
	require.ErrorIs(t, <-res, ErrCorrupt)
	_, err = q.Events().TryWait()
	require.ErrorIs(t, err, ErrCorrupt)
	q.ev, q.g = &q.src, &q.src.g
	require.NoError(t, q.Close())
}

// The header is read once: what it says later changes nothing.
func TestHeaderIsReadOnce(t *testing.T) {
	q, f, _ := newFakeCQ(t, 16)
	p, fp := newFakeProducer(t, 16, 0)
	for _, m := range []mapping{f.m, fp.m} {
		put32(m.Base, ringLog2Off, 31)
		put32(m.Base, ringMaskOff, ^uint32(0))
	}
	dst := make([]hwcq.WC, 4)
	for i := range uint64(100) {
		require.True(t, f.complete(hwcq.WC{WRID: i + 1}))
		require.Equal(t, 1, q.Poll(dst))
		require.Equal(t, i+1, dst[0].WRID)
		_, err := p.postSends([]SendWR{{WRID: i, Op: OpSend}}, 0)
		require.NoError(t, err)
		fp.r.cons.Store(fp.r.prod.Load())
	}
	require.NoError(t, q.Close())
}

// A work queue whose indices cannot be is not written to any more.
func TestCorruptWorkQueue(t *testing.T) {
	for name, corrupt := range map[string]func(f *fakeRing){
		"consumer just outside":        func(f *fakeRing) { f.r.cons.Store(16) },
		"consumer far outside":         func(f *fakeRing) { f.r.cons.Store(^uint32(0)) },
		"consumer overtakes producer":  func(f *fakeRing) { f.r.cons.Store(6) },
		"consumer goes back":           func(f *fakeRing) { f.r.cons.Store(1) },
		"producer changed":             func(f *fakeRing) { f.r.prod.Store(4) },
		"producer outside":             func(f *fakeRing) { f.r.prod.Store(1 << 20) },
		"everything is all ones":       func(f *fakeRing) { f.r.prod.Store(^uint32(0)); f.r.cons.Store(^uint32(0)) },
		"everything is zero once more": func(f *fakeRing) { f.r.prod.Store(0); f.r.cons.Store(0) },
	} {
		t.Run(name, func(t *testing.T) {
			p, f := newFakeProducer(t, 16, 0)
			_, err := p.postSends(make5(), 0)
			require.NoError(t, err)
			f.r.cons.Store(2) // the kernel has done two
			_, err = p.postRecvs(make([]RecvWR, 0))
			require.NoError(t, err)
			corrupt(f)
			before := append([]byte(nil), f.m.Bytes()...)
			n, err := p.postSends(make5(), 0)
			require.Zero(t, n)
			require.ErrorIs(t, err, ErrCorrupt)
			require.Equal(t, before, f.m.Bytes(), "nothing was written")
			n, err = p.postRecvs(make([]RecvWR, 1))
			require.Zero(t, n)
			require.ErrorIs(t, err, hwcq.ErrCorrupt)
			f.r.prod.Store(5)
			f.r.cons.Store(2)
			_, err = p.postSends(make5(), 0)
			require.ErrorIs(t, err, ErrCorrupt, "it is for good")
		})
	}
}

func make5() []SendWR {
	wrs := make([]SendWR, 5)
	for i := range wrs {
		wrs[i].Op = OpSend
	}
	return wrs
}

// What the engine makes of it: one ProviderError, a waiter who is told, and
// everything can be closed.
func TestCorruptCQThroughEngine(t *testing.T) {
	for name, corrupt := range corruptions {
		for _, mode := range []engine.Mode{engine.ModeEvent, engine.ModeAdaptive} {
			for _, waits := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/%v/waits=%v", name, mode, waits), func(t *testing.T) {
					q, f, ch := newFakeCQ(t, 16)
					e, err := engine.New(engine.Config{Watchdog: engine.NoWatchdog})
					require.NoError(t, err)
					cfg := engine.EVDConfig{CQs: []hwcq.CQ{q}, Mode: mode}
					var got atomic.Int64
					if !waits {
						cfg.Policy = engine.SingleInstance
						cfg.Upcall = func(u *engine.Upcall) { got.Add(int64(len(u.Events()))) }
					}
					d, err := e.NewEVD(cfg)
					require.NoError(t, err)
					res := make(chan error, 1)
					if waits {
						go func() {
							_, _, err := d.Wait(context.Background(), 1, make([]engine.Event, 1))
							res <- err
						}()
					}
					require.Eventually(t, func() bool { return d.Stats().Arms > 0 }, patience, time.Millisecond)
					corrupt(f)
					if f.r.prod.Load() == 0 {
						f.r.prod.Store(5) // a consumer index alone is looked at when something comes
					}
					ch.event(7)
					evs := make([]engine.Event, 4)
					n, _, err := e.Async().Wait(context.Background(), 1, evs)
					require.NoError(t, err)
					require.Equal(t, 1, n)
					require.Equal(t, engine.ProviderError, evs[0].Number)
					require.Equal(t, 1, evs[0].Count())
					if waits {
						require.ErrorIs(t, <-res, hwcq.ErrCorrupt)
					}
					require.Zero(t, got.Load(), "no event is made up")
					require.NoError(t, d.Close())
					require.NoError(t, q.Close())
					require.NoError(t, e.Close())
				})
			}
		}
	}
}

// guardedRing is a fake ring that ends where the mapping ends: an access past
// it faults. pre is what lies before it.
func guardedRing(t testing.TB, slots uint32, log2 uint8) (r ring, words []atomic.Uint32, pre []byte) {
	size := ringDataOff + uintptr(slots)<<log2
	page := uintptr(unix.Getpagesize())
	room := (size+page-1)&^(page-1) + page // and a page before it
	m, err := mapAnon(room + page)
	require.NoError(t, err)
	t.Cleanup(func() { _ = m.Unmap() })
	require.NoError(t, unix.Mprotect(m.Bytes()[room:], unix.PROT_NONE))
	base := unsafe.Add(m.Base, room-size)
	put32(base, ringLog2Off, uint32(log2))
	put32(base, ringMaskOff, slots-1)
	r, err = newRing(base, size, sendWQESize)
	require.NoError(t, err)
	return r, unsafe.Slice((*atomic.Uint32)(base), size/4), m.Bytes()[:room-size]
}

// hostile writes anything into words until stop is closed; often into the
// header, and often what is nearly right.
func hostile(rng *rand.Rand, words []atomic.Uint32, mask uint32, stop <-chan struct{}) {
	for {
		select {
		case <-stop:
			return
		default:
		}
		for range 64 {
			at := []uint32{ringProdOff / 4, ringConsOff / 4, ringMaskOff / 4, ringLog2Off / 4, rng.Uint32N(uint32(len(words)))}[rng.IntN(5)]
			v := []uint32{rng.Uint32(), rng.Uint32() & mask, mask + 1, ^uint32(0), words[at].Load() + 1}[rng.IntN(5)]
			words[at].Store(v)
		}
		runtime.Gosched()
	}
}

// FuzzHostileMemory has somebody scribble over the queues while they are used.
// Nothing faults, nothing outside them is touched, no more comes out than fits,
// and every refusal is one of those documented.
func FuzzHostileMemory(f *testing.F) {
	f.Add(uint64(1), uint8(2), uint16(200))
	f.Add(uint64(2), uint8(0), uint16(50))
	f.Add(uint64(3), uint8(5), uint16(500))
	f.Fuzz(func(t *testing.T, seed uint64, logSlots uint8, rounds uint16) {
		rng := rand.New(rand.NewPCG(seed, 1))
		slots := uint32(2) << (logSlots % 6)
		cr, cwords, cpre := guardedRing(t, slots, 8)
		pr, pwords, ppre := guardedRing(t, slots, 8)
		null, err := unix.Open("/dev/null", unix.O_WRONLY|unix.O_CLOEXEC, 0)
		require.NoError(t, err)
		defer func() { _ = unix.Close(null) }()
		dev := new(Device)
		page, err := dev.newHotBlock()
		require.NoError(t, err)
		defer func() { _ = page.Unmap() }()
		dst := make([]hwcq.WC, slots+3)
		sge := []SGE{{Addr: 1, Length: 2, LKey: 3}}
		sends := []SendWR{{Op: OpSend, SGL: sge}, {Op: OpSend, Flags: Inline, InlineData: make([]byte, 48)}, {Op: OpSend}}
		recvs := []RecvWR{{SGL: sge}, {}}

		stop := make(chan struct{})
		var wg sync.WaitGroup
		for i, words := range [][]atomic.Uint32{cwords, pwords} {
			wg.Go(func() { hostile(rand.New(rand.NewPCG(seed, uint64(i))), words, slots-1, stop) })
		}
		for range 1 + rounds%1000 {
			// A new user of the same memory: the last one may have given up.
			q := &CQ{fd: null, dev: dev, raw: rawCQ{cmd: page}}
			q.consumer.use(cr, cr.cons.Load())
			q.src.g = newGuard()
			q.ev, q.g = &q.src, &q.src.g
			q.src.wake.Store(wakeRung) // nobody waits
			p := &producer{ring: pr, next: pr.prod.Load() & pr.mask, seen: pr.cons.Load() & pr.mask, maxSGE: 1}
			for range 4 {
				if n := q.Poll(dst[:rng.IntN(len(dst)+1)]); n < 0 || n > int(slots-1) {
					t.Errorf("%d completions of a queue of %d slots", n, slots)
				}
				if missed, err := q.Arm(false); err != nil && (missed || err != errArmCorrupt) {
					t.Error(missed, err)
				}
				q.Pending()
				if n, err := p.postSends(sends, 48); err != nil && err != errSendFull && err != errSendCorrupt || n > int(slots-1) {
					t.Error(n, err)
				}
				if n, err := p.postRecvs(recvs); err != nil && err != errRecvFull && err != errRecvCorrupt || n > int(slots-1) {
					t.Error(n, err)
				}
				if p.next > p.ring.mask || q.next > q.ring.mask {
					t.Errorf("index %d or %d outside %d", p.next, q.next, slots)
				}
			}
		}
		close(stop)
		wg.Wait()
		for _, pre := range [][]byte{cpre, ppre} {
			for i, b := range pre {
				if b != 0 {
					t.Fatalf("byte %d before the ring was written", len(pre)-i)
				}
			}
		}
	})
}
