package bench

import "time"

// Completion queues of WakeUp only.
const (
	CQEventFD = "eventfd"
	CQURing   = "uring" // io_uring
)

const (
	defaultRest = 200 * time.Microsecond
	leastRest   = 20 * time.Microsecond // below it a poller may not be asleep yet
)

// CQNames are the completion queues that a workload can be run over, the default first.
func CQNames(workload string) []string {
	if workload == WakeUp {
		return []string{CQMock, CQEventFD, CQURing, CQRXE, CQVerbs}
	}
	return []string{CQMock, CQRXE, CQVerbs, CQTCP}
}

func (c *Config) wakeDefaults() {
	if c.Workload == WakeUp {
		def(&c.Rest, defaultRest)
		c.Stages, c.Service = true, "" // the split is what the workload is for; there is no service
	}
}

func (v *validator) wake(c, d Config) {
	v.stages(c, d)
	if d.Workload != WakeUp {
		v.none("rest", c.Rest, c.Rest != 0, "with "+d.Workload+": it is for wake")
		return
	}
	v.dur("rest", d.Rest, leastRest, time.Second, "20us to 1s")
	if d.Mode == "spin" {
		v.bad("mode", d.Mode, "event or adaptive with wake: a poller that polls for ever does not sleep")
	}
	if d.Rest > d.Stall/2 {
		v.bad("rest", d.Rest, "at most half of stall, which is "+d.Stall.String())
	}
	v.none("seed", c.Seed, c.Seed != 0 && (d.CQ == CQEventFD || d.CQ == CQURing), "with cq "+d.CQ+": it is for mock")
	v.none("service", c.Service, c.Service != "", "with wake: the event is what the time begins with")
	v.none("oneway", c.OneWay, c.OneWay, "with wake: it is for lat")
	v.none("peer", c.Peer, c.Peer != "", "with wake: it is for lat")
	v.none("peer-listen", c.PeerListen, c.PeerListen != "", "with wake: it is for lat")
	v.none("server", c.Server, c.Server != "", "with wake: it is for lat and bw")
	v.none("rate", c.Rate, c.Rate != 0, "with wake: an event comes when the poller has slept for rest")
}

// stages refuses what has no single way from a request to its upcall.
func (v *validator) stages(c, d Config) {
	if !c.Stages {
		return
	}
	v.none("stages", true, d.Workload == BW, "with bw: it is for lat and wake")
	v.none("stages", true, c.Server != "", "with server")
	v.none("stages", true, c.Rate != 0, "with rate: it follows one request at a time")
}
