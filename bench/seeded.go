//go:build seeded

package bench

import (
	"strconv"
	"time"
)

// A build with the tag seeded is slower on purpose, by exactly so much, to find out
// whether "evdbench compare" finds it. How much is given to the linker:
//
//	go build -tags seeded -ldflags '-X github.com/evdengine/evd/bench.seedRate=5' ./cmd/evdbench
var (
	seedRate    = "0" // per cent by which the rate of bw falls
	seedLatency = "0" // per cent by which every round trip of lat over mock grows
)

const seededVersion = "+seeded"

// seedStretch is how long bw works before it is held up for its share: far longer than
// what is in flight keeps the device busy, so that the device stands still too and the
// whole rate falls, whoever limits it.
const seedStretch = 200 * time.Microsecond

// seedEvery is in which upcalls of bw the clock is read. Read in each of them it would
// cost more than what is asked for: an upcall takes some hundred ns.
const seedEvery = 32

// seeded holds up who runs upcalls. Owner: he.
type seeded struct {
	calls uint
	began Ticks // of the stretch that is not held up yet; 0: none
}

var seedRatio, seedGrowth = percent(seedRate), percent(seedLatency)

func percent(s string) float64 {
	v, err := strconv.ParseFloat(s, 64)
	if err != nil || v < 0 || v >= 100 {
		panic("bench: a seeded slow-down must be a percentage, 0..99: " + s)
	}
	return v / 100
}

// upcall is called in each upcall of bw.
func (d *seeded) upcall(clk *Clock) {
	if d.calls++; seedRatio == 0 || d.calls%seedEvery != 0 {
		return
	}
	now := clk.Now()
	if d.began == 0 {
		d.began = now
		return
	}
	if worked := now - d.began; worked >= clk.Ticks(seedStretch) {
		// Of all time the ratio is lost: ratio/(1-ratio) of the time worked.
		until := now + Ticks(float64(worked)*seedRatio/(1-seedRatio))
		for d.began = now; d.began < until; d.began = clk.Now() {
		}
	}
}

// latency holds up a round trip that began at sent and has come to its upcall at now.
func (*seeded) latency(clk *Clock, sent, now Ticks) Ticks {
	until := now + Ticks(float64(now-sent)*seedGrowth)
	for now < until {
		now = clk.Now()
	}
	return now
}
