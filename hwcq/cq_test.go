package hwcq_test

import (
	"errors"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/evdengine/evd/hwcq"
)

func TestOverrunKindString(t *testing.T) {
	assert.Equal(t, "fatal", hwcq.OverrunFatal.String())
	assert.Equal(t, "lossy", hwcq.OverrunLossy.String())
	assert.Equal(t, "recoverable", hwcq.OverrunRecoverable.String())
	assert.Equal(t, "unknown", hwcq.OverrunKind(3).String())
	assert.Equal(t, hwcq.OverrunFatal, hwcq.Capabilities{}.Overrun, "a driver that says nothing promises nothing")
}

func TestErrors(t *testing.T) {
	assert.ErrorIs(t, hwcq.ErrClosed, os.ErrClosed)
	all := []error{hwcq.ErrClosed, hwcq.ErrNotSupported, hwcq.ErrUnavailable, hwcq.ErrBusy, hwcq.ErrFull}
	for i, a := range all {
		for j, b := range all {
			assert.Equal(t, i == j, errors.Is(a, b), "%v is %v", a, b)
		}
	}
}
