//go:build linux && (amd64 || arm64)

package uring

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestOpenShapes(t *testing.T) {
	for _, c := range []Config{{}, {Shape: Owner}, {SQPoll: true}, {CoopTaskrun: true}, {Entries: 1}, {Entries: MaxEntries, Depth: MaxDepth}} {
		r, err := Open(c)
		require.NoError(t, err, "%+v", c)
		require.NoError(t, r.Close())
	}
}
