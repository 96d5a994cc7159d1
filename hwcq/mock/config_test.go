package mock

import (
	"encoding/json"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/internal/param"
)

// params lists the parameters that a joined error names.
func params(err error) []string {
	var out []string
	var walk func(error)
	walk = func(err error) {
		switch e := err.(type) {
		case nil:
		case *param.Error:
			out = append(out, e.Param)
		case interface{ Unwrap() []error }:
			for _, err := range e.Unwrap() {
				walk(err)
			}
		default:
			out = append(out, "unexpected: "+err.Error())
		}
	}
	walk(err)
	return out
}

func TestConfigValidate(t *testing.T) {
	nan := math.NaN()
	for _, tc := range []struct {
		name string
		cfg  Config
		want []string
	}{
		{"zero", Config{}, nil},
		{"smallest", Config{Depth: 1}, nil},
		{"greatest", Config{Depth: MaxDepth}, nil},
		{"negative depth", Config{Depth: -1}, []string{"Depth"}},
		{"too deep", Config{Depth: MaxDepth + 1}, []string{"Depth"}},
		{"delay", Config{Faults: Faults{Delay: -1}}, []string{"Faults.Delay"}},
		{"probability", Config{Faults: Faults{LoseEvent: Rule{Prob: 1.01}}}, []string{"Faults.LoseEvent.Prob"}},
		{"everything at once", Config{Depth: -5, Faults: Faults{
			LoseEvent: Rule{Prob: -1}, DuplicateEvent: Rule{Prob: 2}, DelayEvent: Rule{Prob: nan}, Delay: -1,
			SpuriousEvent: Rule{Prob: math.Inf(1)}, ArmError: Rule{Prob: -0.1},
		}}, []string{
			"Depth", "Faults.Delay", "Faults.LoseEvent.Prob", "Faults.DuplicateEvent.Prob", "Faults.DelayEvent.Prob",
			"Faults.SpuriousEvent.Prob", "Faults.ArmError.Prob",
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			assert.Equal(t, tc.want, params(tc.cfg.Validate()))
			if tc.want == nil {
				return
			}
			c, err := New(tc.cfg)
			assert.ErrorIs(t, err, param.ErrInvalid)
			assert.Nil(t, c)
		})
	}
	_, err := New(Config{Depth: 5_000_000})
	assert.EqualError(t, err, "mock: New: Depth = 5000000: must be 0 (default 1024) or 1..4194304")
}

func TestQPConfigValidate(t *testing.T) {
	for _, tc := range []struct {
		name string
		cfg  QPConfig
		want []string
	}{
		{"zero", QPConfig{}, nil},
		{"inline", QPConfig{Inline: true, Overrun: true, QPNum: 3, Depth: 4}, nil},
		{"all", QPConfig{Depth: MaxDepth, Batch: 256, IdleSpins: NeverSpin, Service: Const(time.Hour), Pipelined: true}, nil},
		{"bad", QPConfig{Depth: MaxDepth + 1, Batch: 257, IdleSpins: -2, Service: Const(-1)}, []string{"Depth", "Service.Mean", "Batch", "IdleSpins"}},
		{"bad too", QPConfig{Depth: -1, Batch: -1, IdleSpins: 1<<30 + 1}, []string{"Depth", "Batch", "IdleSpins"}},
		{"inline excludes", QPConfig{Inline: true, Service: Const(0), Pipelined: true, Fill: func(*hwcq.WC) {}}, []string{"Service", "Pipelined", "Fill"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			assert.Equal(t, tc.want, params(tc.cfg.Validate()))
			if tc.want != nil {
				q, err := open(t, Config{}).NewQP(tc.cfg)
				assert.ErrorIs(t, err, param.ErrInvalid)
				assert.Nil(t, q)
			}
		})
	}
}

func TestLoadValidate(t *testing.T) {
	for _, tc := range []struct {
		name string
		load Load
		want []string
	}{
		{"zero", Load{}, nil},
		{"bursts", Load{Bursts: []int{1, MaxDepth}}, nil},
		{"bad", Load{
			Duration: -1, Gap: Uniform(2, 1), Bursts: []int{1, 0, -1, MaxDepth + 1}, Fail: Rule{Prob: 3},
		}, []string{"Gap.Low", "Fail.Prob", "Duration", "Bursts[1]", "Bursts[2]", "Bursts[3]"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			assert.Equal(t, tc.want, params(tc.load.Validate()))
			if tc.want != nil {
				s, err := open(t, Config{}).Start(tc.load)
				assert.ErrorIs(t, err, param.ErrInvalid)
				assert.Nil(t, s)
			}
		})
	}
}

func TestDistValidate(t *testing.T) {
	for _, tc := range []struct {
		name string
		d    Dist
		want []string
	}{
		{"none", Dist{}, nil},
		{"unused fields do not matter", Dist{Mean: -1, Sigma: -1, Low: 2, High: 1}, nil},
		{"const", Const(0), nil},
		{"const < 0", Const(-1), []string{"D.Mean"}},
		{"const > 1h", Const(time.Hour + 1), []string{"D.Mean"}},
		{"exp < 0", Exp(-1), []string{"D.Mean"}},
		{"uniform", Uniform(0, time.Hour), nil},
		{"uniform, a point", Uniform(5, 5), nil},
		{"uniform, all wrong", Uniform(-1, -2), []string{"D.Low", "D.High", "D.Low"}},
		{"lognormal", Lognormal(time.Microsecond, 10), nil},
		{"lognormal, all wrong", Lognormal(-1, 10.1), []string{"D.Median", "D.Sigma"}},
		{"lognormal, not a number", Lognormal(1, math.NaN()), []string{"D.Sigma"}},
		{"script", Script(0, 1), nil},
		{"empty script", Script(), []string{"D.Steps"}},
		{"script with bad steps", Script(0, -1, 2*time.Hour), []string{"D.Steps[1]", "D.Steps[2]"}},
		{"unknown", Dist{Kind: 99}, []string{"D.Kind"}},
	} {
		assert.Equal(t, tc.want, params(tc.d.validate("test", "D")), tc.name)
	}
	assert.Equal(t, "lognormal", DistLognormal.String())
	assert.Equal(t, "kind 99", DistKind(99).String())
}

// A configuration is a record of the run: it can be written down and read
// back.
func TestConfigRoundTrip(t *testing.T) {
	in := struct {
		Config
		QPConfig
		Load
	}{
		Config{Depth: 7, Seed: math.MaxUint64, FatalOverrun: true, FirstIndex: 9, Faults: Faults{LoseEvent: Once(3), Delay: 5}},
		QPConfig{QPNum: 1, Service: Lognormal(time.Millisecond, 0.5), Pipelined: true},
		Load{Count: 5, Gap: Script(1, 2), Bursts: []int{1, 2}, WC: hwcq.WC{WRID: 3}, Fail: Always()},
	}
	text, err := json.Marshal([]any{in.Config, in.QPConfig, in.Load})
	require.NoError(t, err)
	out := in
	out.Config, out.QPConfig, out.Load = Config{}, QPConfig{}, Load{}
	require.NoError(t, json.Unmarshal(text, &[]any{&out.Config, &out.QPConfig, &out.Load}))
	assert.Equal(t, in, out)
}

func TestErrorsAreDistinct(t *testing.T) {
	for _, sentinel := range []error{hwcq.ErrOverrun, hwcq.ErrClosed} {
		assert.NotErrorIs(t, ErrInjected, sentinel)
	}
}
