//go:build !explore

package engine

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The measured break-even is used where the configuration gives none.
func TestSpinBudget(t *testing.T) {
	require.Positive(t, WakeCost())
	e := newTestEngine(t, Config{})
	require.Equal(t, WakeCost(), e.spinBudget())
	e = newTestEngine(t, Config{SpinBudget: time.Millisecond})
	require.Equal(t, time.Millisecond, e.spinBudget())
}
