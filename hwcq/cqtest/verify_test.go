package cqtest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/hwcq/mock"
)

// Verify finds what Run finds.
func TestVerify(t *testing.T) {
	d := Driver{Quiet: time.Millisecond, Short: true, Open: func(depth int) (*Bed, error) {
		return newRig(t, mock.Config{}, depth).b, nil
	}}
	var names []string
	rounds := map[string]int{}
	untested, err := Verify(d, func(r Result) bool {
		require.True(t, r.OK(), "%s: %s", r.Property, r.Failures)
		require.NotEmpty(t, r.Promise)
		names, rounds[r.Property] = append(names, r.Property), r.Rounds
		return true
	})
	require.NoError(t, err)
	require.NotEmpty(t, untested, "the mock belongs to no thread")
	require.Subset(t, Properties(), names)
	require.Equal(t, 3000, rounds["stress"])
	require.Equal(t, 100, rounds["arm/no lost wake"])
	require.Zero(t, rounds["capabilities"])

	// A CQ that loses events, and a caller who has seen enough.
	d.Patience = 50 * time.Millisecond
	d.Open = func(depth int) (*Bed, error) {
		return newRig(t, mock.Config{Faults: mock.Faults{LoseEvent: mock.Always()}}, depth).b, nil
	}
	var bad Result
	_, err = Verify(d, func(r Result) bool { bad = r; return r.OK() })
	require.NoError(t, err)
	require.Equal(t, "arm/event", bad.Property)
	require.NotEmpty(t, bad.Failures)
	d.Except = map[string]string{"arm/event": "as asked"}
	_, err = Verify(d, func(r Result) bool { bad = r; return r.Property != "arm/event" })
	require.NoError(t, err)
	require.True(t, bad.OK())
	require.Equal(t, "as asked", bad.Excepted)

	_, err = Verify(Driver{}, nil)
	require.Error(t, err)
}
