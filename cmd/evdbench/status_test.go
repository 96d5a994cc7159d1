package main

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/evdengine/evd/hwcq"
)

// An error that wraps several in a text of its own keeps the text; joined ones
// get a line each.
func TestSplit(t *testing.T) {
	cause := errors.New("operation not permitted")
	why := fmt.Errorf("rxe: make rxe0: %w: this needs root: %w", hwcq.ErrUnavailable, cause)
	assert.Equal(t, []error{why}, split(why))
	assert.Equal(t, []error{cause, why, cause}, split(errors.Join(cause, errors.Join(why, cause))))
}
