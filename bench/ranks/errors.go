package ranks

import (
	"errors"
	"fmt"

	"github.com/evdengine/evd/engine"
	"github.com/evdengine/evd/hwcq"
)

// ErrTold: what went wrong is rank 0's to say, which knows it, or has caused it.
var ErrTold = errors.New("ranks: rank 0 says what went wrong")

// LostError is about a rank that died, or cannot be reached any more.
type LostError struct {
	Rank int
	Err  error
}

func (e *LostError) Error() string { return fmt.Sprintf("rank %d was lost: %v", e.Rank, e.Err) }
func (e *LostError) Unwrap() error { return e.Err }

// Classes of errors that another rank tells of.
const (
	classUsage       = "usage"
	classUnavailable = "unavailable"
	classStranger    = "stranger" // not of this job: no refusal
)

func classOf(err error) string {
	switch {
	case errors.Is(err, engine.ErrInvalid):
		return classUsage
	case errors.Is(err, hwcq.ErrUnavailable), errors.Is(err, hwcq.ErrNotSupported):
		return classUnavailable
	}
	return ""
}

// refusal is what another rank says is wrong.
type refusal struct{ text, class string }

func (r *refusal) Error() string { return r.text }

func (r *refusal) Unwrap() error {
	switch r.class {
	case classUsage:
		return engine.ErrInvalid
	case classUnavailable:
		return hwcq.ErrUnavailable
	}
	return nil
}

// failure is the error of a message of that kind.
func (m *message) failure() error {
	if m.Class == classStranger {
		return errStranger
	}
	return &refusal{m.Error, m.Class}
}
