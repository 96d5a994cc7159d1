package bench

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/engine"
	"github.com/evdengine/evd/internal/hostinfo"
)

func TestParseCPUs(t *testing.T) {
	for s, want := range map[string][]int{"2": {2}, "0-3,6": {0, 1, 2, 3, 6}, "6,0-1": {6, 0, 1}} {
		cpus, ok := ParseCPUs(s)
		assert.True(t, ok)
		assert.Equal(t, want, cpus)
		assert.Equal(t, s, hostinfo.Ranges(cpus))
	}
}

func TestParsePin(t *testing.T) {
	for s, want := range map[string]Pin{
		"":                                    {},
		"poller=2":                            {Poller: []int{2}},
		"poller=2,3,producer=4-6,8,other=0-1": {Poller: []int{2, 3}, Producer: []int{4, 5, 6, 8}, Other: []int{0, 1}},
		"other=0":                             {Other: []int{0}},
	} {
		p, err := ParsePin(s)
		require.NoError(t, err, s)
		assert.Equal(t, want, p)
		back, err := ParsePin(p.String())
		require.NoError(t, err)
		assert.Equal(t, want, back)
	}
	for _, bad := range []string{"2", "poller", "poller=", "poller=x", "poller=2,poller=3", "who=1", "poller=2,,3", ",poller=1", "poller=1,1", "poller=9000"} {
		_, err := ParsePin(bad)
		assert.ErrorIs(t, err, engine.ErrInvalid, bad)
		assert.ErrorContains(t, err, "pin", bad)
	}
}

func TestPollerCPU(t *testing.T) {
	p := Pin{Poller: []int{3, 5}}
	assert.Equal(t, []engine.CPU{engine.OnCPU(3), engine.OnCPU(5), engine.OnCPU(3)}, []engine.CPU{p.pollerCPU(0), p.pollerCPU(1), p.pollerCPU(2)})
	assert.Equal(t, engine.AnyCPU, (&Pin{}).pollerCPU(1))
	assert.Equal(t, engine.OnCPU(3), Config{Pin: "poller=3"}.evd().CPU)
}

func TestPinRefused(t *testing.T) {
	for pin, c := range map[string]Config{"nonsense": {}, "poller=0": {OneWay: true}, "producer=8000": {}} {
		c.Pin, c.Count = pin, 1
		_, err := Run(t.Context(), c)
		require.Error(t, err)
		assert.ErrorContains(t, err, "pin")
	}
}

// pinsOf notes where the pollers of each EVD would be, and leaves them be.
type pinsOf struct {
	*throughput
	cpus []engine.CPU
}

func (p *pinsOf) open(s *session) (engine.EVDConfig, error) {
	s.pins.Poller = []int{3, 5}
	ec, err := p.throughput.open(s)
	p.cpus = []engine.CPU{ec.CPU}
	ec.CPU = engine.AnyCPU
	for i := range s.also {
		p.cpus = append(p.cpus, s.also[i].CPU)
		s.also[i].CPU = engine.AnyCPU
	}
	return ec, err
}

// Each EVD has the next CPU of the pollers'.
func TestPollersOfSeveralEVDs(t *testing.T) {
	p := &pinsOf{throughput: &throughput{dev: &mockDevice{}}}
	r := runTest(t, Config{Workload: BW, EVDs: 3, Count: 300}, p)
	assert.True(t, r.OK(), r.Conservation.Violations)
	assert.Equal(t, []engine.CPU{engine.OnCPU(3), engine.OnCPU(5), engine.OnCPU(3)}, p.cpus)
	err := Config{Workload: BW, EVDs: 2, Pin: "poller=1,2,3"}.Validate()
	assert.ErrorContains(t, err, "one CPU of pollers for each EVD at most")
}
