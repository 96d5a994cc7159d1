package main

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestUpToDate: kernels_gen.go is what gen writes.
func TestUpToDate(t *testing.T) {
	want, err := generate()
	require.NoError(t, err)
	got, err := os.ReadFile("../kernels_gen.go")
	require.NoError(t, err)
	require.Equal(t, string(want), string(got), "run go generate in bench/rivals")
}
