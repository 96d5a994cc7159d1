//go:build linux && (amd64 || arm64)

package uring

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/hwcq"
)

// BenchmarkNop submits a batch of NOPs and polls their completions, the driver alone.
func BenchmarkNop(b *testing.B) {
	for _, shape := range []Shape{Portable, Owner} {
		for _, batch := range []int{1, 32, 128} {
			b.Run(fmt.Sprintf("%v/%d", shape, batch), func(b *testing.B) {
				runtime.LockOSThread()
				defer runtime.UnlockOSThread()
				r, err := Open(Config{Shape: shape})
				need(b, err)
				require.NoError(b, r.Bind())
				var cq hwcq.CQ = r
				reqs, dst := nops(batch), make([]hwcq.WC, batch)
				b.ReportAllocs()
				for n := 0; n < b.N; n += batch {
					for i := range reqs {
						reqs[i].WRID = uint64(n + i)
					}
					if k, err := r.Submit(reqs); k != batch {
						b.Fatal(k, err)
					}
					for left := batch; left > 0; {
						left -= cq.Poll(dst)
					}
				}
				b.StopTimer()
				require.NoError(b, r.Unbind())
				require.NoError(b, r.Close())
			})
		}
	}
}

// BenchmarkNopPieces measures Submit and Poll without the kernel: what the driver adds
// to the system call.
func BenchmarkNopPieces(b *testing.B) {
	for _, batch := range []int{1, 32, 128} {
		b.Run(fmt.Sprint(batch), func(b *testing.B) {
			r := fakeNops(b, Config{})
			reqs, dst := nops(batch), make([]hwcq.WC, batch)
			for n := 0; n < b.N; n += batch {
				for i := range reqs {
					reqs[i].WRID = uint64(n + i)
				}
				if k, err := r.Submit(reqs); k != batch {
					b.Fatal(k, err)
				}
				if k := r.Poll(dst); k != batch {
					b.Fatal(k)
				}
			}
		})
	}
}

func BenchmarkPollEmpty(b *testing.B) {
	var cq hwcq.CQ = open(b, Config{})
	dst := make([]hwcq.WC, 32)
	for b.Loop() {
		if cq.Poll(dst) != 0 {
			b.Fatal("not empty")
		}
	}
}

func BenchmarkArm(b *testing.B) {
	var cq hwcq.CQ = open(b, Config{})
	for b.Loop() {
		if missed, err := cq.Arm(false); missed || err != nil {
			b.Fatal(missed, err)
		}
	}
}

func nops(n int) []Request {
	reqs := make([]Request, n)
	for i := range reqs {
		reqs[i] = Nop()
	}
	return reqs
}

func BenchmarkNopConstructor(b *testing.B) {
	reqs := nops(32)
	for n := 0; n < b.N; n += len(reqs) {
		for i := range reqs {
			reqs[i] = Nop()
			reqs[i].WRID = uint64(n + i)
		}
	}
}
