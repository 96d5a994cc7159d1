//go:build !linux

package eventfd

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/hwcq"
)

func TestNotHere(t *testing.T) {
	_, err := New(Config{})
	require.ErrorIs(t, err, hwcq.ErrNotSupported)
}
