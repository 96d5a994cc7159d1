package bench

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/engine"
	"github.com/evdengine/evd/hwcq/mock"
)

func TestDefaultsAreValid(t *testing.T) {
	for _, cfg := range []Config{
		{},
		{Workload: BW},
		{OneWay: true},
		{CQ: CQRXE},
		{CQ: CQRXE, Workload: BW},
		{CQ: CQRXE, Peer: "h:1"},
		{CQ: CQRXE, PeerListen: ":1"},
		{CQ: CQRXE, Peer: "[::1]:65535"},
	} {
		assert.NoError(t, cfg.Validate(), "%+v", cfg)
		d := cfg.WithDefaults()
		if !cfg.withPeer() { // there, defaults say what may not be said
			assert.NoError(t, d.Validate(), "defaults of %+v", cfg)
		}
		assert.Equal(t, d, d.WithDefaults(), "defaults of defaults")
	}
	d := Config{}.WithDefaults()
	assert.Equal(t, 2*time.Second, d.Duration)
	assert.Equal(t, "none", d.Service)
	assert.Zero(t, Config{Count: 5}.WithDefaults().Duration)
	p := Config{CQ: CQRXE, Peer: "h:1"}.WithDefaults()
	assert.EqualValues(t, 1000, p.Count, "as ibv_rc_pingpong")
	assert.Equal(t, Span{Count: 100}, p.Warmup)
	p = Config{CQ: CQRXE, Peer: "h:1", Count: 5}.WithDefaults()
	assert.Equal(t, Span{Off: true}, p.Warmup)
}

func TestValidateNamesTheParameter(t *testing.T) {
	for _, x := range []struct {
		cfg  Config
		want string
	}{
		{Config{Workload: "x"}, `workload = "x": must be lat, bw or wake`},
		{Config{CQ: "x"}, `cq = "x": must be mock, rxe, verbs or tcp`},
		{Config{Mode: "x"}, `mode = "x": must be spin, event or adaptive`},
		{Config{Dispatch: "queued", Exclusive: true}, `exclusive = true: must be left out where dispatch is queued`},
		{Config{Dispatch: "x"}, `dispatch = "x": must be auto, inline or queued`},
		{Config{Duration: -1}, `duration = -1ns: must be more than 0 and at most 720h`},
		{Config{Warmup: Span{Time: -1}}, `warmup = -1ns: must be 0 to 720h, or a number of operations`},
		{Config{Depth: -1}, `depth = -1: must be 1..4194304`},
		{Config{Depth: 1 << 23}, `depth = 8388608: must be 1..4194304`},
		{Config{CQ: CQRXE, Depth: 7}, `depth = 7: must be 8..32767`},
		{Config{Capacity: -1}, `capacity = -1: must be 1..`},
		{Config{Batch: 4097}, `batch = 4097: must be 1..4096`},
		{Config{Batch: 32, Budget: 31}, `budget = 31: must be 32..1048576`},
		{Config{Spin: 2 * time.Second}, `spin = 2s: must be more than 0 and at most 1s, or auto`},
		{Config{Spin: time.Microsecond, Mode: "spin"}, `spin = 1µs: must be left out unless mode is adaptive, and mode is spin`},
		{Config{Stall: time.Millisecond}, `stall = 1ms: must be 100ms to 1h`},
		{Config{Workload: BW, Outstanding: -1}, `outstanding = -1: must be 1..1048576`},
		{Config{Workload: BW, Posters: 1025}, `posters = 1025: must be 0..1024`},
		{Config{Workload: BW, OneWay: true}, `oneway = true: must be left out with bw`},
		{Config{Workload: BW, CQ: CQRXE, Peer: "h:1"}, `peer = h:1: must be left out with bw`},
		{Config{Workload: BW, CQ: CQRXE, PeerListen: ":1"}, `peer-listen = :1: must be left out with bw`},
		{Config{Outstanding: 2}, `outstanding = 2: must be left out with lat`},
		{Config{Posters: 2}, `posters = 2: must be left out with lat`},
		{Config{Flip: 2}, `flip = 2: must be left out with lat`},
		{Config{Dev: "rxe0"}, `dev = rxe0: must be left out with cq mock`},
		{Config{Size: 8}, `size = 8: must be left out with cq mock`},
		{Config{Peer: "h:1"}, `peer = h:1: must be left out with cq mock`},
		{Config{PeerListen: ":1"}, `peer-listen = :1: must be left out with cq mock`},
		{Config{Service: "x"}, `service = "x": must be none, const:T`},
		{Config{CQ: CQRXE, Seed: 1}, `seed = 1: must be left out with cq rxe`},
		{Config{CQ: CQRXE, Service: "none"}, `service = none: must be left out with cq rxe`},
		{Config{CQ: CQRXE, Size: 1<<20 + 1}, `size = 1048577: must be 1..1048576`},
		{Config{CQ: CQRXE, Workload: BW, Outstanding: 512}, `outstanding = 512: must be at most 511, half of depth 1023`},
		{Config{CQ: CQRXE, Peer: "h"}, `peer = "h": must be HOST:PORT, with a port of 1..65535`},
		{Config{CQ: CQRXE, Peer: ":1"}, `peer = ":1": must be HOST:PORT`},
		{Config{CQ: CQRXE, Peer: "h:0"}, `peer = "h:0": must be HOST:PORT`},
		{Config{CQ: CQRXE, Peer: "h:65536"}, `peer = "h:65536": must be HOST:PORT`},
		{Config{CQ: CQRXE, Peer: "::1:1"}, `peer = "::1:1": must be HOST:PORT`},
		{Config{CQ: CQRXE, PeerListen: "h"}, `peer-listen = "h": must be [HOST]:PORT, with a port of 1..65535`},
		{Config{CQ: CQRXE, PeerListen: ":x"}, `peer-listen = ":x": must be [HOST]:PORT`},
		{Config{CQ: CQRXE, Peer: "h:1", PeerListen: ":1"}, `peer-listen = :1: must be left out with peer`},
		{Config{CQ: CQRXE, Peer: "h:1", OneWay: true}, `oneway = true: must be left out with a peer`},
		{Config{CQ: CQRXE, Peer: "h:1", Duration: time.Second}, `duration = 1s: must be left out with a peer`},
		{Config{CQ: CQRXE, Peer: "h:1", Warmup: Span{Time: 1}}, `warmup = 1ns: must be left out with a peer, or a number of round trips`},
		{Config{CQ: CQRXE, Peer: "h:1", Count: 10, Warmup: Span{Count: 10}}, `warmup = 10: must be less than count, 10`},
	} {
		err := x.cfg.Validate()
		if assert.Error(t, err, x.want) {
			assert.ErrorIs(t, err, engine.ErrInvalid)
			assert.Contains(t, err.Error(), x.want)
		}
	}
}

// All that is wrong is said at once.
func TestValidateJoins(t *testing.T) {
	err := Config{CQ: "x", Mode: "y", Depth: -1}.Validate()
	require.Error(t, err)
	for _, want := range []string{"cq = ", "mode = ", "depth = "} {
		assert.Contains(t, err.Error(), want)
	}
}

// A configuration survives JSON: what a report says can be run again.
func TestConfigRoundTrip(t *testing.T) {
	c := Config{Workload: BW, Mode: "event", Count: 7, Warmup: Span{Count: 3}, Posters: 2, Seed: 9, Service: "exp:2us"}.WithDefaults()
	b, err := json.Marshal(c)
	require.NoError(t, err)
	var back Config
	require.NoError(t, json.Unmarshal(b, &back))
	assert.Equal(t, c, back)
}

// What is said of the EVD reaches it.
func TestEVDConfig(t *testing.T) {
	c := Config{Mode: "spin", Dispatch: "queued", Capacity: 5, Batch: 6, Budget: 7}
	assert.Equal(t, engine.EVDConfig{
		Name: "bench", Capacity: 5, Batch: 6, Budget: 7,
		Mode: engine.ModeSpin, Dispatch: engine.DispatchQueued, Policy: engine.SingleInstance,
	}, c.evd())
}

func TestParseDist(t *testing.T) {
	us := time.Microsecond
	for s, want := range map[string]mock.Dist{
		"":                   {},
		"none":               {},
		"const:2us":          mock.Const(2 * us),
		"uniform:1us,3us":    mock.Uniform(us, 3*us),
		"exp:1.5us":          mock.Exp(1500 * time.Nanosecond),
		"lognormal:1us,0.3":  mock.Lognormal(us, 0.3),
		"script:1us,0s,5us":  mock.Script(us, 0, 5*us),
		"script:1us":         mock.Script(us),
		"lognormal:1us,1e-1": mock.Lognormal(us, 0.1),
	} {
		d, err := ParseDist(s)
		if assert.NoError(t, err, s) {
			assert.Equal(t, want, d, s)
		}
	}
	for _, s := range []string{
		"const", "const:", "const:2", "const:1us,2us", "uniform:1us", "uniform:3us,1us", "exp:-1us", "exp:2h",
		"lognormal:1us", "lognormal:1us,x", "lognormal:1us,99", "lognormal:1us,NaN", "lognormal:x,1", "script:", "none:1us", "x:1us", "none,",
	} {
		_, err := ParseDist(s)
		if assert.Error(t, err, s) {
			assert.ErrorIs(t, err, engine.ErrInvalid)
			assert.Contains(t, err.Error(), "service = ")
			assert.Contains(t, err.Error(), "lognormal:MEDIAN,SIGMA")
		}
	}
}
