package bench

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/evdengine/evd/engine"
	"github.com/evdengine/evd/hwcq/mock"
	"github.com/evdengine/evd/internal/param"
	"github.com/evdengine/evd/ring"
)

// Engines.
const (
	EngineEVD      = "evd"
	EngineSpinlock = "spinlock-flag"
	EngineMutex    = "mutex"
	EngineChannel  = "channel"
)

// Policies.
const (
	PolicySingle = "single" // one upcall at a time
	PolicyMany   = "many"   // several at once
	PolicyDrain  = "drain"  // each upcall disables, dequeues until nothing is left, and enables, as iSER does
	PolicyNotify = "notify" // an upcall only notifies; a goroutine dequeues
)

// Config describes a run. The zero value of a field means its default; JSON
// names are those of evdbench's flags.
type Config struct {
	// Workload is Lat (default), BW or WakeUp.
	Workload string `json:"workload"`

	// CQ is CQMock (default), CQRXE or CQVerbs; with WakeUp also CQEventFD or CQURing.
	CQ string `json:"cq"`

	// Mode is how the CQ is waited for: "adaptive" (default), "event", "spin".
	Mode string `json:"mode"`

	// Dispatch is where upcalls run: "auto" (default), "inline", "queued".
	Dispatch string `json:"dispatch"`

	// Exclusive is that of the EVD: whoever runs upcalls has it to himself. Not with
	// Dispatch "queued".
	Exclusive bool `json:"exclusive"`

	// Count ends the run after so many measured round trips (Lat) or events
	// (BW). 0: no limit.
	Count uint64 `json:"count"`

	// Duration ends the run after so much measured time. With Count too, what
	// is reached first ends it; with neither it is 2 s.
	Duration time.Duration `json:"duration_ns"`

	// Warmup is not measured. Zero: 100 ms; with a peer a tenth of Count,
	// 1000 at most.
	Warmup Span `json:"warmup"`

	Depth    int `json:"depth"`    // of the CQ; 0: 1024 (mock), 1023 (rxe, verbs)
	Capacity int `json:"capacity"` // of the EVD's ring; 0: 1024
	Batch    int `json:"batch"`    // most events an upcall; 0: 16
	Budget   int `json:"budget"`   // most events a pass; 0: 256

	// Spin is how long an adaptive poller polls before it sleeps, up to 1 s.
	// 0: what a wake-up costs here.
	Spin time.Duration `json:"spin_ns"`

	// Rate makes the loop open: requests are made at so many a second, whether the ones
	// before have completed or not. 0: closed, a completion makes the next request.
	Rate    float64       `json:"rate_per_second"`
	Arrival string        `json:"arrival"`    // const, poisson or burst:N; "": poisson
	MaxLag  time.Duration `json:"max_lag_ns"` // a generator that is later makes the run invalid; 0: 10 ms

	// Interval is the length of the parts of Report.Series; 0: a second.
	Interval time.Duration `json:"interval_ns"`

	// Percentiles are those of the summaries; nil: 50, 90, 99, 99.9 and 99.99.
	Percentiles []float64 `json:"percentiles"`

	// Stages splits the latency into its parts, at the cost of more readings of the clock.
	Stages bool `json:"stages"`

	// Engine is EngineEVD (default), or what one would write without it: EngineSpinlock,
	// EngineMutex, EngineChannel. Of the mock CQ.
	Engine string `json:"engine"`

	// Policy is what upcalls are enabled with: PolicySingle (default), PolicyMany,
	// PolicyDrain or PolicyNotify.
	Policy string `json:"policy"`
	EVDs   int    `json:"evds"` // (BW) EVDs, each with its own CQs; 0: 1
	CQs    int    `json:"cqs"`  // (BW) CQs of each EVD; 0: 1

	// Handler is what an upcall does with an event beside counting it: noop (default) or
	// work:T.
	Handler string `json:"handler"`

	// Faults is a script of the mock CQ's faults, see mock.ParseFaults.
	Faults string `json:"faults"`

	// ErrorRate is the probability that a completion of the mock CQ is an error, 0..1.
	ErrorRate float64 `json:"error_rate"`

	// OneWay (Lat) measures one direction instead of a round trip.
	OneWay bool `json:"oneway"`

	// Outstanding is how many requests are in flight (BW; 0: 64), or may be at most in an
	// open loop (Lat; 0: 65536, rxe and verbs an eighth of Depth, one way a quarter).
	Outstanding int `json:"outstanding"`

	// Posters (BW) is how many goroutines post software events to the EVD
	// beside its CQ.
	Posters int `json:"posters"`

	// Flip (BW), if not 0, has every nth upcall disable upcalls; the consumer
	// then dequeues until the EVD is empty, and enables them again.
	Flip uint64 `json:"flip"`

	// Rest (WakeUp) is how long the poller sleeps before an event, 20 us to 1 s; 0: 200 us.
	Rest time.Duration `json:"rest_ns"`

	// Pin says on which CPUs the parts of the run are, see ParsePin; "": anywhere.
	Pin string `json:"pin"`

	// Of the mock CQ.
	Seed    uint64 `json:"seed"`
	Service string `json:"service"` // how long the device works on a request, see ParseDist; "": none

	// Of the rxe and verbs CQs.
	Dev        string `json:"dev"`         // "": the first device
	Size       int    `json:"size"`        // bytes a message; 0: 64
	Peer       string `json:"peer"`        // HOST:PORT of a peer to connect to (Lat)
	PeerListen string `json:"peer_listen"` // [HOST]:PORT to await a peer at (Lat)

	// Of a run between two nodes, see Serve.
	Server     string        `json:"server"`         // HOST:PORT of the server
	Direction  string        `json:"direction"`      // BW, seen from the client: Send (default), Receive, Both
	AckTimeout time.Duration `json:"ack_timeout_ns"` // until a packet is sent again, 1 ms to 60 s; 0: 268 ms
	Retries    int           `json:"retries"`        // how often, before the peer is lost, 1..6; 0: 6

	serving bool // this is the server, and Server is not to be given

	// Stall is how long nothing may happen before the run is given up and
	// what is in flight is declared lost, 100 ms to 1 h; 0: 10 s.
	Stall time.Duration `json:"stall_ns"`
}

// Span is a time or a number of operations.
type Span struct {
	Time  time.Duration `json:"ns"`
	Count uint64        `json:"count"`
	Off   bool          `json:"off"` // explicitly none
}

func (s Span) zero() bool { return s == Span{} }

// Defaults.
const (
	defaultDuration    = 2 * time.Second
	defaultWarmup      = 100 * time.Millisecond
	defaultDepthMock   = mock.DefaultDepth
	defaultDepthRXE    = 1023
	defaultOutstanding = 64
	defaultSize        = 64
	defaultStall       = 10 * time.Second
	defaultPeerCount   = 1000 // as ibv_rc_pingpong
	maxOutstanding     = 1 << 20
	maxPosters         = 1024
	maxSize            = 1 << 20
	maxBatch           = 4096
	maxTime            = 30 * 24 * time.Hour
)

// WithDefaults returns the configuration with every zero replaced by the
// default that it means.
func (c Config) WithDefaults() Config {
	def(&c.Workload, Lat)
	def(&c.CQ, CQMock)
	def(&c.Mode, engine.ModeAdaptive.String())
	def(&c.Dispatch, engine.DispatchAuto.String())
	peer := c.withPeer()
	if peer {
		def(&c.Count, defaultPeerCount)
	} else if c.Count == 0 {
		def(&c.Duration, defaultDuration)
	}
	if c.Warmup.zero() {
		if peer || c.countsWarmup() {
			c.Warmup.Count = min(c.Count/10, 1000)
			c.Warmup.Off = c.Warmup.Count == 0
		} else {
			c.Warmup.Time = defaultWarmup
		}
	}
	if c.rdma() {
		def(&c.Depth, defaultDepthRXE)
		def(&c.Size, defaultSize)
	} else {
		def(&c.Depth, defaultDepthMock)
		def(&c.Service, "none")
	}
	def(&c.Capacity, engine.DefaultCapacity)
	def(&c.Batch, engine.DefaultBatch)
	def(&c.Budget, max(engine.DefaultBudget, c.Batch))
	if c.Workload == BW {
		def(&c.Outstanding, defaultOutstanding)
	}
	c.scenarioDefaults()
	c.wakeDefaults()
	c.loadDefaults()
	c.serverDefaults()
	def(&c.Stall, defaultStall)
	return c
}

func def[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

func (c Config) evd() engine.EVDConfig {
	return engine.EVDConfig{
		Name: "bench", Capacity: c.Capacity, Batch: c.Batch, Budget: c.Budget,
		Mode: modes[c.Mode], Dispatch: dispatches[c.Dispatch], Policy: engine.SingleInstance,
		Exclusive: c.Exclusive, CPU: c.pollerCPU(),
	}
}

var modes = map[string]engine.Mode{
	"spin": engine.ModeSpin, "event": engine.ModeEvent, "adaptive": engine.ModeAdaptive,
}

var dispatches = map[string]engine.Dispatch{
	"auto": engine.DispatchAuto, "inline": engine.DispatchInline, "queued": engine.DispatchQueued,
}

// rdma tells whether the CQ is that of an RDMA device, or of what stands for one.
func (c Config) rdma() bool { return c.CQ == CQRXE || c.CQ == CQVerbs || c.CQ == CQTCP }

func (c Config) withPeer() bool { return c.Peer != "" || c.PeerListen != "" }

// Validate returns all that is wrong with the configuration. The parameters
// are named as evdbench's flags. Errors match engine.ErrInvalid.
func (c Config) Validate() error {
	v := validator{}
	d := c.WithDefaults()
	v.in("workload", d.Workload, Lat, BW, WakeUp)
	v.in("cq", d.CQ, CQNames(d.Workload)...)
	v.in("mode", d.Mode, "spin", "event", "adaptive")
	v.in("dispatch", d.Dispatch, "auto", "inline", "queued")
	if c.Exclusive && d.Dispatch == "queued" {
		v.bad("exclusive", true, "left out where dispatch is queued")
	}
	v.dur("duration", c.Duration, 0, maxTime, "more than 0 and at most 720h")
	v.dur("warmup", c.Warmup.Time, 0, maxTime, "0 to 720h, or a number of operations")
	if d.rdma() {
		v.num("depth", d.Depth, 8, 32767)
	} else {
		v.num("depth", d.Depth, 1, mock.MaxDepth)
	}
	v.num("capacity", d.Capacity, 1, ring.MaxCapacity)
	v.num("batch", d.Batch, 1, maxBatch)
	if d.Batch >= 1 && d.Batch <= maxBatch {
		v.num("budget", d.Budget, d.Batch, 1<<20)
	}
	v.dur("spin", c.Spin, 0, time.Second, "more than 0 and at most 1s, or auto")
	v.dur("stall", d.Stall, 100*time.Millisecond, time.Hour, "100ms to 1h")
	v.pin(c)
	v.workload(c, d)
	v.load(c, d)
	v.cq(c, d)
	v.server(c, d)
	v.scenario(c, d)
	if c.Spin != 0 && d.Mode != "adaptive" {
		v.bad("spin", c.Spin, "left out unless mode is adaptive, and mode is "+d.Mode)
	}
	return errors.Join(v.errs...)
}

type validator struct{ errs []error }

func (v *validator) bad(name string, value any, allowed string) {
	v.errs = append(v.errs, param.Invalid("bench: Run", name, value, allowed))
}

func (v *validator) num(name string, n, least, most int) {
	if n < least || n > most {
		v.bad(name, n, fmt.Sprintf("%d..%d", least, most))
	}
}

func (v *validator) dur(name string, d, least, most time.Duration, allowed string) {
	if d < least || d > most {
		v.bad(name, d, allowed)
	}
}

func (v *validator) in(name, s string, allowed ...string) {
	text := ""
	for i, a := range allowed {
		if s == a {
			return
		}
		switch {
		case i == 0:
		case i == len(allowed)-1:
			text += " or "
		default:
			text += ", "
		}
		text += a
	}
	v.bad(name, fmt.Sprintf("%q", s), text)
}

// none refuses a parameter that has no meaning for the others given.
func (v *validator) none(name string, value any, given bool, because string) {
	if given {
		v.bad(name, value, "left out "+because)
	}
}

// address refuses what cannot be an address; "" is none.
func (v *validator) address(name, s string, needsHost bool, allowed string) {
	if s == "" {
		return
	}
	host, port, err := net.SplitHostPort(s)
	n, perr := strconv.ParseUint(port, 10, 16)
	if err != nil || perr != nil || n == 0 || needsHost && host == "" {
		v.bad(name, strconv.Quote(s), allowed)
	}
}

func (v *validator) workload(c, d Config) {
	v.wake(c, d)
	if d.Workload == BW {
		v.num("outstanding", d.Outstanding, 1, maxOutstanding)
		v.num("posters", d.Posters, 0, maxPosters)
		v.none("oneway", c.OneWay, c.OneWay, "with bw: it is for lat")
		v.none("peer", c.Peer, c.Peer != "", "with bw: it is for lat")
		v.none("peer-listen", c.PeerListen, c.PeerListen != "", "with bw: it is for lat")
		return
	}
	v.none("outstanding", c.Outstanding, c.Outstanding != 0 && !c.open(), "with lat, unless rate is given: one is in flight")
	v.none("posters", c.Posters, c.Posters != 0, "with lat")
	v.none("flip", c.Flip, c.Flip != 0, "with lat")
}

func (v *validator) cq(c, d Config) {
	if !d.rdma() {
		const why = "with cq mock: it is for rxe and verbs"
		v.none("dev", c.Dev, c.Dev != "", why)
		v.none("size", c.Size, c.Size != 0, why)
		v.none("peer", c.Peer, c.Peer != "", why)
		v.none("peer-listen", c.PeerListen, c.PeerListen != "", why)
		if _, err := ParseDist(d.Service); err != nil {
			v.errs = append(v.errs, err)
		}
		return
	}
	why := "with cq " + d.CQ + ": it is for mock"
	v.none("seed", c.Seed, c.Seed != 0 && !c.open(), why)
	v.none("service", c.Service, c.Service != "", why)
	v.num("size", d.Size, 1, maxSize)
	if need := 2 * d.Outstanding; d.Workload == BW && d.Outstanding >= 1 && need > d.Depth {
		v.bad("outstanding", d.Outstanding, fmt.Sprintf(
			"at most %d, half of depth %d: each message completes twice, and what does not fit into the CQ is lost", d.Depth/2, d.Depth))
	}
	if !c.withPeer() {
		return
	}
	v.address("peer", c.Peer, true, "HOST:PORT, with a port of 1..65535")
	v.address("peer-listen", c.PeerListen, false, "[HOST]:PORT, with a port of 1..65535")
	if c.Peer != "" && c.PeerListen != "" {
		v.bad("peer-listen", c.PeerListen, "left out with peer: this side either connects or listens")
	}
	v.none("oneway", c.OneWay, c.OneWay, "with a peer: it would need two clocks to agree")
	v.none("duration", c.Duration, c.Duration != 0, "with a peer: both sides make exactly count round trips")
	v.none("warmup", c.Warmup.Time, c.Warmup.Time != 0, "with a peer, or a number of round trips (they are part of count)")
	if d.Warmup.Count >= d.Count {
		v.bad("warmup", d.Warmup.Count, fmt.Sprintf("less than count, %d: with a peer they are part of it", d.Count))
	}
}
