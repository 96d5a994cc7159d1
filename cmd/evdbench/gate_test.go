package main

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A run against a baseline that was far slower, or far faster.
func TestBaseline(t *testing.T) {
	dir := t.TempDir()
	args := []string{"bw", "--mode", "event", "--count", "300", "--reps", "6", "-q", "--store", dir}
	status, _, stderr := evdbench(t.Context(), append(args, "--save", "now")...)
	require.Zero(t, status, stderr)
	f, err := store(dir).load("now")
	require.NoError(t, err)
	for name, factor := range map[string]float64{"slow": 1e-4, "fast": 1e4} {
		other := *f
		other.Reps = nil
		for _, r := range f.Reps {
			r := *r
			r.Results.Rate *= factor
			other.Reps = append(other.Reps, &r)
		}
		require.NoError(t, store(dir).save(name, &other))
	}
	assert.Equal(t, []string{"fast", "now", "slow"}, store(dir).names())

	status, stdout, stderr := evdbench(t.Context(), append(args, "--baseline", "slow")...)
	require.Zero(t, status, stderr)
	assert.Contains(t, stdout, "verdict       better: rate of B")
	assert.Contains(t, stdout, "A             "+f.Version+"  slow  (6 repetitions)")

	status, stdout, stderr = evdbench(t.Context(), append(args, "--baseline", "fast", "-o", "json", "--save", "fast")...)
	assert.Equal(t, exitFailed, status)
	assert.NotContains(t, stdout, "verdict")
	assert.Contains(t, stderr, "verdict       worse: rate of B")
	assert.Contains(t, stderr, `--baseline = "fast": rate is worse`)
	assert.Contains(t, stderr, `not saved: the baseline "fast" stays`)
	kept, err := store(dir).load("fast")
	require.NoError(t, err)
	assert.Greater(t, kept.Reps[0].Results.Rate, 1e4*f.Reps[0].Results.Rate/2)

	left, err := filepath.Glob(filepath.Join(dir, ".*"))
	require.NoError(t, err)
	assert.Empty(t, left)
}

func TestWords(t *testing.T) {
	for s, want := range map[string][]string{
		"": nil, "  ": nil, "a": {"a"}, " a  b\tc\n": {"a", "b", "c"}, `--x 'a b' "c d"e`: {"--x", "a b", "c de"}, `''`: {""}, `"it's"`: {"it's"},
	} {
		got, err := words(s)
		require.NoError(t, err, s)
		assert.Equal(t, want, got, s)
	}
	_, err := words("a 'b")
	assert.ErrorContains(t, err, "a quote is not closed")
}
