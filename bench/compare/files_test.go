package compare

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/bench"
	"github.com/evdengine/evd/bench/result"
	"github.com/evdengine/evd/bench/stats"
)

// file is a result of so many repetitions with that rate, and 1 % of noise.
func file(seed uint64, reps int, rate float64) *result.File {
	rng := rand.New(rand.NewPCG(seed, 0))
	f := &result.File{Schema: result.Schema, Command: bench.BW, Version: "v1"}
	for range reps {
		f.Reps = append(f.Reps, &bench.Report{
			Config:  bench.Config{Workload: bench.BW, Mode: "spin"},
			Env:     bench.Env{CPU: "AMD EPYC", CPUs: 2, OS: "linux", Arch: "amd64", Kernel: "6.18.44", Go: "go1.26.8"},
			Results: bench.Results{Operations: 1, Rate: rate * math.Exp(0.01*rng.NormFloat64()), PerOp: 1e9 / rate},
		})
	}
	return f
}

func named(name string, fs ...*result.File) Named { return Named{Name: name, Files: fs} }

func TestFiles(t *testing.T) {
	a := named("base.json", file(1, 10, 1e6))
	for rate, want := range map[float64]stats.Verdict{1e6: stats.Same, 0.93e6: stats.Worse, 1.08e6: stats.BetterBy} {
		r, err := Files(a, named("new.json", file(2, 6, rate), file(3, 4, rate)), Options{}, false)
		require.NoError(t, err)
		assert.Equal(t, want, r.Verdict(), rate)
		assert.Equal(t, 10, r.Sides[1].Reps)
		assert.Empty(t, r.Differences)
	}

	b := file(2, 8, 0.93e6)
	for _, r := range b.Reps {
		r.Config.Mode, r.Config.Spin, r.Env.Kernel = "adaptive", 50000, "6.19.1"
	}
	r, err := Files(a, named("new.json", b), Options{}, false)
	require.NoError(t, err)
	assert.Equal(t, []string{"kernel: 6.18.44 -> 6.19.1", "mode: spin -> adaptive", "spin: default -> 50µs"}, r.Differences)
	var text strings.Builder
	require.NoError(t, r.Text(&text, false))
	golden(t, "files.txt", text.String())
}

func TestFilesRefused(t *testing.T) {
	a := named("base.json", file(1, 10, 1e6))
	other := file(2, 10, 1e6)
	for _, r := range other.Reps {
		r.Env.CPU, r.Env.CPUs = "Xeon", 64
	}
	_, err := Files(a, named("new.json", other), Options{}, false)
	assert.ErrorIs(t, err, ErrHosts)
	assert.ErrorContains(t, err, "CPU AMD EPYC and Xeon, CPUs 2 and 64 (--force compares them all the same)")
	r, err := Files(a, named("new.json", other), Options{}, true)
	require.NoError(t, err)
	assert.Contains(t, r.Warnings[0], "different hosts")

	_, err = Files(a, named("new.json", file(2, 5, 1e6)), Options{}, false)
	assert.EqualError(t, err, "too few repetitions: new.json: 5 complete repetitions: an interval of 95 % takes 6 on each side (--reps 6, or several files)")
	_, err = Files(named("base.json", &result.File{}), a, Options{}, false)
	assert.ErrorContains(t, err, "base.json: 0 complete repetitions")
	_, err = Files(a, named("new.json", &result.File{Cells: []*result.File{other}}), Options{}, false)
	assert.ErrorContains(t, err, "new.json is a sweep")

	lat := file(2, 10, 1e6)
	for _, r := range lat.Reps {
		r.Config.Workload = bench.Lat
	}
	_, err = Files(a, named("new.json", lat), Options{}, false)
	assert.ErrorIs(t, err, ErrWorkloads)

	lost := file(2, 10, 1e6)
	lost.Reps[3].Conservation.Violations = []string{"event 3 is missing"}
	_, err = Files(a, named("new.json", lost), Options{}, false)
	assert.ErrorIs(t, err, ErrInvalid)
	assert.ErrorContains(t, err, "new.json: event 3 is missing")
	lost.Reps[3].Conservation.Violations, lost.Reps[3].Invalid = nil, []string{"lagged"}
	_, err = Files(a, named("new.json", lost), Options{}, false)
	assert.ErrorContains(t, err, "lagged")

	_, err = Files(a, a, Options{Metric: "resp.p99"}, false)
	assert.ErrorContains(t, err, "metric = resp.p99: must be one that both have measured: rate, ns/op")
	_, err = Files(a, a, Options{Effect: -1}, false)
	assert.ErrorContains(t, err, "effect")

	part := file(2, 7, 1e6)
	part.Reps[6].Interrupted = true
	r, err = Files(a, named("new.json", part), Options{}, false)
	require.NoError(t, err)
	assert.Equal(t, 6, r.Sides[1].Reps, "an interrupted repetition does not count")
}

func TestLeastReps(t *testing.T) {
	assert.Equal(t, 6, LeastReps(0.95))
	assert.Equal(t, 8, LeastReps(0.99))
}
