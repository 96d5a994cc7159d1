package bench

import (
	"fmt"
	"slices"
	"strconv"
	"time"
)

// Defaults and limits of how requests are made, and of what is reported about them.
const (
	defaultMaxLag      = 10 * time.Millisecond
	defaultInterval    = time.Second
	defaultOpenAtMost  = 1 << 16 // requests in flight in an open loop over mock
	minRate, maxRate   = 0.1, 1e9
	minInterval        = 10 * time.Millisecond
	maxPercentiles     = 20
	defaultArrivalName = "poisson"
)

// open tells whether the loop is open: requests are made on a schedule.
func (c Config) open() bool { return c.Rate != 0 }

func (c *Config) loadDefaults() {
	def(&c.Interval, defaultInterval)
	if c.Percentiles == nil {
		c.Percentiles = DefaultPercentiles
	}
	c.Percentiles = slices.Compact(slices.Sorted(slices.Values(c.Percentiles)))
	if !c.open() {
		return
	}
	def(&c.Arrival, defaultArrivalName)
	def(&c.MaxLag, defaultMaxLag)
	switch {
	case c.Workload != Lat:
	case c.rdma():
		def(&c.Outstanding, openRXEAtMost(c.Depth, c.OneWay))
	default:
		def(&c.Outstanding, defaultOpenAtMost)
	}
}

// stagePercentiles are those of the stages: those that were asked for, and those that a
// table of stages has columns for.
func (c Config) stagePercentiles() []float64 {
	return slices.Compact(slices.Sorted(slices.Values(slices.Concat(c.Percentiles, DefaultPercentiles))))
}

func (v *validator) load(c, d Config) {
	v.dur("interval", d.Interval, minInterval, time.Hour, "10ms to 1h")
	if n := len(c.Percentiles); n > maxPercentiles {
		v.bad("percentiles", fmt.Sprintf("%d of them", n), fmt.Sprintf("at most %d", maxPercentiles))
	}
	for _, p := range c.Percentiles {
		if !(p > 0 && p < 100) { // and not NaN
			v.bad("percentiles", strconv.FormatFloat(p, 'g', -1, 64), "numbers above 0 and below 100: the largest and the smallest value are always reported")
		}
	}
	if !c.open() {
		const why = "without rate: the loop is closed, a completion makes the next request"
		v.none("arrival", c.Arrival, c.Arrival != "", why)
		v.none("max-lag", c.MaxLag, c.MaxLag != 0, why)
		return
	}
	if !(c.Rate >= minRate && c.Rate <= maxRate) {
		v.bad("rate", strconv.FormatFloat(c.Rate, 'g', -1, 64), "0.1 to 1G a second")
	}
	v.none("rate", c.Rate, d.Workload != Lat, "unless the workload is lat")
	v.none("rate", c.Rate, c.withPeer() || c.Server != "", "with a peer: it answers one message after the other")
	v.dur("max-lag", d.MaxLag, time.Microsecond, time.Hour, "1us to 1h")
	if d.Workload == Lat {
		most := maxOutstanding
		if d.rdma() {
			most = openRXEAtMost(d.Depth, d.OneWay)
		}
		v.num("outstanding", d.Outstanding, 1, most)
	}
	if _, err := parseArrival(d.Arrival); err != nil {
		v.errs = append(v.errs, err)
	}
}
