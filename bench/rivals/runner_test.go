package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/internal/param"
)

// In every round everybody has one turn, in an order of its own.
func TestTurnOf(t *testing.T) {
	for n := 1; n < 120; n++ {
		var orders [2][]int
		for round := range 2 {
			seen := map[int]bool{}
			for k := range n {
				i := turnOf(round, k, n)
				require.True(t, i >= 0 && i < n && !seen[i])
				seen[i] = true
				orders[round] = append(orders[round], i)
			}
		}
		if n > 1 && n != 7 {
			require.NotEqual(t, orders[0], orders[1], "of %d", n)
		}
	}
}

func TestFitting(t *testing.T) {
	require.Equal(t, uint64(1600), fitting(200, 32, time.Microsecond, time.Millisecond))
	require.Equal(t, uint64(384), fitting(200, 32, 500*time.Microsecond, time.Millisecond))
	require.Equal(t, uint64(32), fitting(200, 32, time.Second, time.Millisecond))
}

// A sample that was disturbed is taken again, but not for ever.
func TestTake(t *testing.T) {
	n := 0
	c := &cell{id{}, 1, func(time.Duration) (turn, error) { n++; return turn{1, int64(3 - n)}, nil }}
	got, err := thorough.take(c)
	require.NoError(t, err)
	require.Len(t, got, 3)
	n = -9
	got, err = thorough.take(c)
	require.NoError(t, err)
	require.Len(t, got, thorough.tries)
	c.run = func(time.Duration) (turn, error) { return turn{}, io.ErrUnexpectedEOF }
	_, err = thorough.take(c)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
}

// So is one before or after which a core was not whole.
func TestTakeSlowed(t *testing.T) {
	for name, tc := range map[string]struct {
		whole []bool
		tries int
	}{
		"before": {[]bool{false, true, true, true}, 2},
		"after":  {[]bool{true, false, true, true}, 2},
		"never":  {[]bool{true, true}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			e := thorough
			e.whole = func() (whole bool) { whole, tc.whole = tc.whole[0], tc.whole[1:]; return whole }
			got, err := e.take(&cell{id{}, 1, func(time.Duration) (turn, error) { return turn{ns: 1}, nil }})
			require.NoError(t, err)
			require.Len(t, got, tc.tries)
			require.True(t, got[tc.tries-1].quiet())
			require.Empty(t, tc.whole)
		})
	}
}

// A core is whole that is nearly as fast as it ever was.
func TestCalm(t *testing.T) {
	c := newCalm()
	require.Positive(t, c.fastest)
	c = new(calm)
	require.True(t, c.noted(1000))
	require.True(t, c.noted(1250))
	require.False(t, c.noted(1251))
	require.True(t, c.noted(800))
	require.False(t, c.noted(1001))
}

// Who does not answer is left out from then on; another error ends the run.
func TestGaveUp(t *testing.T) {
	asked := 0
	deaf := &cell{id{Shape: "U1", Impl: "deaf"}, 1, func(time.Duration) (turn, error) { asked++; return turn{}, errGaveUp }}
	well := &cell{id{Shape: "U1", Impl: "well"}, 1, func(time.Duration) (turn, error) { return turn{ns: 1}, nil }}
	e := effort{rounds: 3, tries: 1}
	out, rounds, skipped, err := run([]*cell{deaf, well}, e, io.Discard)
	require.NoError(t, err)
	require.Equal(t, 1, asked)
	require.Equal(t, 3, rounds)
	require.Equal(t, []string{"U1/impl=deaf: left out"}, skipped)
	require.Zero(t, out[0].Samples)
	require.Equal(t, 3, out[1].Samples)
	well.run = func(time.Duration) (turn, error) { return turn{}, io.ErrUnexpectedEOF }
	_, _, _, err = run([]*cell{well}, e, io.Discard)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
}

// A round that would take too long does not begin, and that is told.
func TestMost(t *testing.T) {
	slow := &cell{id{Shape: "U1", Impl: "slow"}, 1, func(time.Duration) (turn, error) { return turn{ns: 1}, nil }}
	out, rounds, skipped, err := run([]*cell{slow}, effort{rounds: 3, tries: 1, most: time.Nanosecond}, io.Discard)
	require.NoError(t, err)
	require.Equal(t, 1, rounds)
	require.Equal(t, 1, out[0].Samples)
	require.Equal(t, []string{"2 rounds of 3: the machine is busy, the others took 0s"}, skipped)
	out, rounds, skipped, err = run([]*cell{slow}, effort{rounds: 3, tries: 1, most: time.Hour}, io.Discard)
	require.NoError(t, err)
	require.Equal(t, 3, rounds)
	require.Equal(t, 3, out[0].Samples)
	require.Empty(t, skipped)
}

// An event that is lost, doubled or made up is noticed.
func TestWrongSum(t *testing.T) {
	require.NoError(t, wrongSum(3, 6))
	require.EqualError(t, wrongSum(3, 5), "the sum of the numbers that came is 5, want 6")
	broken := rival[event16]{impl: "broken", new: func(size int) kernel[event16] { return lossy{newevdTry[event16](size)} }}
	_, err := broken.u1("U1").run(time.Microsecond)
	require.ErrorContains(t, err, "U1/impl=broken/event=16, 64 events: the sum of the numbers that came is 2079, want 2080")
}

type lossy struct{ kernel[event16] }

func (l lossy) u1(n uint64) uint64 { return l.kernel.u1(n) - 1 }

// TestWhole runs every cell once, and writes the files.
func TestWhole(t *testing.T) {
	dir := t.TempDir()
	var out bytes.Buffer
	o, err := parse([]string{"-quick", "-cc", "", "-json", filepath.Join(dir, "r.json"), "-svg", filepath.Join(dir, "r.svg")}, io.Discard)
	require.NoError(t, err)
	o.turn = 20 * time.Microsecond
	require.NoError(t, compare(o, &out, io.Discard))
	require.Equal(t, len(goals())+7, strings.Count(out.String(), "\ngoal "))
	require.Equal(t, 7, strings.Count(out.String(), "ours=0.00 rival=none:0.00 ratio=0.00 need=<=0.00 ok"))
	require.Contains(t, out.String(), "events of 32 bytes")
	b, err := os.ReadFile(filepath.Join(dir, "r.json"))
	require.NoError(t, err)
	var r report
	require.NoError(t, json.Unmarshal(b, &r))
	require.Len(t, r.Results, len(own()))
	for _, x := range r.Results {
		require.Positive(t, x.Median, "%v", x.id)
	}
	for _, name := range []string{"r.svg", "r-growth.svg"} {
		b, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		require.Contains(t, string(b), "<svg")
	}
}

func TestFlags(t *testing.T) {
	for _, args := range [][]string{{"-rounds", "0"}, {"-run", "("}} {
		_, err := parse(args, io.Discard)
		require.ErrorIs(t, err, param.ErrInvalid, "%v", args)
		require.ErrorContains(t, err, args[0]+" = "+args[1])
	}
	_, err := parse([]string{"more"}, io.Discard)
	require.ErrorContains(t, err, `unexpected argument "more"`)
	o, err := parse([]string{"-run", "nothing is called that", "-cc", ""}, io.Discard)
	require.NoError(t, err)
	err = compare(o, io.Discard, io.Discard)
	require.True(t, errors.Is(err, param.ErrInvalid), err)
	require.ErrorContains(t, err, "-run = nothing is called that")
}

func TestParseBenchmark(t *testing.T) {
	got, err := parseBenchmark("goos: linux\nBenchmarkCQPollEmpty-2 \t 1000000\t         1.702 ns/op\t         3.000 nivcsw\t       0 B/op\t       0 allocs/op\nPASS\n")
	require.NoError(t, err)
	require.Equal(t, turn{1.702, 3}, got)
	for _, out := range []string{"", "PASS\n", "BenchmarkX-2 10 1.7 ns/op\n", "BenchmarkX-2 10 0.0 ns/op 0 nivcsw\n"} {
		_, err := parseBenchmark(out)
		require.Error(t, err, "%q", out)
	}
}
