//go:build linux && (amd64 || arm64)

package uring

import (
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/evdengine/evd/hwcq"
)

// What a request refers to is Go memory that only the ring still knows: it must be there
// when the kernel reads it, which on an owner's ring is later.
func TestArgumentsOutliveTheirMaker(t *testing.T) {
	const n = 64
	r := openOwned(t, Config{Entries: 2 * n, Depth: 2 * n})
	in, out := socketPair(t, unix.SOCK_STREAM)
	for range 10 {
		for i := range uint64(n) {
			submit(t, r, with(i, Timeout(time.Millisecond)), with(n+i, Send(out, append(make([]byte, 0, 16), 'x'), 0)))
		}
		var garbage [][]byte
		for range 3 {
			runtime.GC()
			for range 4 * n {
				b := make([]byte, 16)
				for i := range b {
					b[i] = 0xff // as a time it is negative
				}
				garbage = append(garbage, b)
			}
		}
		for _, wc := range collect(t, r, 2*n) {
			require.Equal(t, hwcq.StatusSuccess, wc.Status, wc)
		}
		runtime.KeepAlive(garbage)
		got := make([]byte, 2*n)
		k, err := unix.Read(in, got)
		require.NoError(t, err)
		require.Equal(t, n, k)
		for _, c := range got[:k] {
			require.EqualValues(t, 'x', c)
		}
	}
}

// Goroutines that cancel each their own request, beside a poller: every cancellation finds
// what it names, and nothing else.
func TestCancelBesidePoll(t *testing.T) {
	shapes(t, Config{Entries: 64}, func(t *testing.T, r *Ring) {
		const goroutines, rounds = 3, 200
		in, _ := pipe(t)
		var wg sync.WaitGroup
		for g := range uint64(goroutines) {
			wg.Go(func() {
				for i := range uint64(rounds) {
					wrid := g<<32 | i
					reqs := []Request{with(wrid, PollAdd(in, unix.POLLIN)), with(1<<62|wrid, Cancel(wrid))}
					for len(reqs) > 0 {
						n, err := r.Submit(reqs)
						if reqs = reqs[n:]; err != nil {
							runtime.Gosched() // full
						}
					}
				}
			})
		}
		m := byWRID(t, r, 2*goroutines*rounds)
		wg.Wait()
		for g := range uint64(goroutines) {
			for i := range uint64(rounds) {
				isFailure(t, m[g<<32|i], unix.ECANCELED, hwcq.StatusWRFlushErr)
				require.Equal(t, hwcq.StatusSuccess, m[1<<62|g<<32|i].Status)
			}
		}
		require.Zero(t, r.Stats().InFlight)
	})
}
