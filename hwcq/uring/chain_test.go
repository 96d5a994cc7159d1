//go:build linux && (amd64 || arm64)

package uring

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/hwcq"
)

// TestChainWithoutRoom: a chain for which there is room in part is refused, and Submit
// returns.
func TestChainWithoutRoom(t *testing.T) {
	r := open(t, Config{Shape: Owner, Entries: 4}) // nobody has bound it: nothing is fetched
	submit(t, r, Nop(), Nop(), Nop())
	first := Nop()
	first.Link = LinkNext
	n, err := r.Submit([]Request{first, Nop()})
	require.ErrorIs(t, err, hwcq.ErrFull)
	require.Zero(t, n)
	submit(t, r, Nop())
}
