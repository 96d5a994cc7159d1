package bench

import "time"

// spinTurns computes for n turns, which take some nanosecond each and nothing else:
// no memory, no clock.
//
//go:noinline
func spinTurns(n int) (x uint64) {
	x = 88172645463325252
	for range n {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
	}
	return x
}

// workTurns is how many turns take d here, one at least; 0 for 0. It measures: the
// best of several times, since an interruption only makes one longer.
func workTurns(d time.Duration, clk *Clock) int {
	if d <= 0 {
		return 0
	}
	const turns, times = 20_000, 9
	best := int64(1 << 62)
	for range times {
		t0 := clk.Now()
		_ = spinTurns(turns)
		best = min(best, clk.Nanos(clk.Now()-t0))
	}
	return max(1, int(int64(d)*turns/max(best, 1)))
}
