package render

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/evdengine/evd/bench"
)

func exclusive(c *bench.Config) string {
	if c.Exclusive {
		return " exclusive"
	}
	return ""
}

func (t *texter) head(r *bench.Report) {
	c, e := &r.Config, &r.Env
	t.line("evdbench", "%s  cq=%s mode=%s dispatch=%s%s%s", c.Workload, c.CQ, c.Mode, c.Dispatch, exclusive(c), load(c))
	t.line("config", "depth=%d capacity=%d batch=%d budget=%d %s", c.Depth, c.Capacity, c.Batch, c.Budget, limits(c))
	t.line("host", "%s, %d CPUs, GOMAXPROCS %d, %s %s %s, %s", e.CPU, e.CPUs, e.GOMAXPROCS, e.OS, e.Kernel, e.Arch, e.Go)
	clock := fmt.Sprintf("%s %.3f GHz, %d ns a reading, %+.1f ppm against CLOCK_MONOTONIC",
		e.Clock.Source, e.Clock.Hertz/1e9, e.Clock.Cost, e.Clock.Drift)
	if e.Clock.Source != bench.SourceTSC {
		clock = fmt.Sprintf("CLOCK_MONOTONIC, %d ns a reading (%s)", e.Clock.Cost, e.Clock.Why)
	}
	t.line("clock", "%s", clock)
	t.line("measures", "%s", r.Measures)
}

// load is the part of the configuration that depends on workload and CQ.
func load(c *bench.Config) string {
	var b strings.Builder
	put := func(name string, v any, given bool) {
		if given {
			fmt.Fprintf(&b, " %s=%v", name, v)
		}
	}
	put("outstanding", c.Outstanding, c.Workload == bench.BW)
	put("posters", c.Posters, c.Workload == bench.BW)
	put("flip", c.Flip, c.Flip != 0)
	put("oneway", c.OneWay, c.OneWay)
	put("service", c.Service, c.CQ == bench.CQMock)
	put("seed", c.Seed, c.CQ == bench.CQMock)
	put("rate", strconv.FormatFloat(c.Rate, 'f', -1, 64)+"/s", c.Rate > 0)
	put("arrival", c.Arrival, c.Rate > 0 && c.Arrival != "")
	put("engine", c.Engine, c.Engine != "" && c.Engine != bench.EngineEVD)
	put("policy", c.Policy, c.Policy != "" && c.Policy != bench.PolicySingle)
	put("evds", c.EVDs, c.EVDs > 1)
	put("cqs", c.CQs, c.CQs > 1)
	put("handler", c.Handler, c.Handler != "" && c.Handler != "noop")
	put("faults", c.Faults, c.Faults != "")
	put("size", c.Size, c.CQ == bench.CQRXE || c.CQ == bench.CQVerbs || c.CQ == bench.CQTCP)
	put("dev", c.Dev, c.Dev != "")
	put("peer", c.Peer, c.Peer != "")
	put("peer-listen", c.PeerListen, c.PeerListen != "")
	put("server", c.Server, c.Server != "")
	put("direction", c.Direction, c.Direction != "")
	return b.String()
}

func limits(c *bench.Config) string {
	var b strings.Builder
	if c.Mode == "adaptive" {
		spin := "auto"
		if c.Spin != 0 {
			spin = c.Spin.String()
		}
		fmt.Fprintf(&b, "spin=%s ", spin)
	}
	if c.Duration > 0 {
		fmt.Fprintf(&b, "duration=%v ", c.Duration)
	}
	if c.Count > 0 {
		fmt.Fprintf(&b, "count=%d ", c.Count)
	}
	return b.String() + "warmup=" + c.Warmup.String()
}
