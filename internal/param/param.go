// Package param has the one error type for bad arguments.
package param

import (
	"errors"
	"fmt"
)

// ErrInvalid is matched (errors.Is) by every Error.
var ErrInvalid = errors.New("invalid parameter")

// Error says which parameter was refused, its value, and what is allowed.
type Error struct {
	Op      string // the operation, e.g. "engine: NewEVD"
	Param   string // the parameter, e.g. "Capacity"
	Value   any    // what was given
	Allowed string // what would have been accepted
	Kind    error  // what errors.Is matches besides ErrInvalid; may be nil
}

// Invalid builds an *Error.
func Invalid(op, param string, value any, allowed string) error {
	return &Error{Op: op, Param: param, Value: value, Allowed: allowed}
}

// Wrong is Invalid with a sentinel error of its own.
func Wrong(kind error, op, param string, value any, allowed string) error {
	return &Error{Op: op, Param: param, Value: value, Allowed: allowed, Kind: kind}
}

func (e *Error) Error() string {
	kind := ""
	if e.Kind != nil {
		kind = e.Kind.Error() + ": "
	}
	return fmt.Sprintf("%s: %s%s = %v: must be %s", e.Op, kind, e.Param, e.Value, e.Allowed)
}

// Is makes errors.Is(err, ErrInvalid) true.
func (e *Error) Is(target error) bool {
	return target == ErrInvalid || target == e.Kind && e.Kind != nil
}
