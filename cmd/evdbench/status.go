package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/evdengine/evd/engine"
	"github.com/evdengine/evd/hwcq"
)

// Exit statuses.
const (
	exitOK          = 0
	exitFailed      = 1 // a file cannot be written, ..
	exitUsage       = 2
	exitUnavailable = 3
	exitInvalid     = 4 // an event was lost, doubled or out of order; or the figures must not be used
	exitPeerLost    = 5
	exitInterrupted = 130
)

// statusError is an error that has decided on an exit status. Without text it
// has said all it had to say.
type statusError struct {
	status int
	err    error
}

func (e *statusError) Error() string { return e.err.Error() }
func (e *statusError) Unwrap() error { return e.err }

var errSilent = errors.New("")

// failed marks an error of a command that was used rightly. What cobra itself
// returns is unmarked, and a usage error.
func failed(err error) error {
	if err == nil {
		return nil
	}
	status := exitFailed
	var dial *net.OpError
	switch {
	case errors.Is(err, context.Canceled): // while a peer was awaited
		status = exitInterrupted
	case errors.Is(err, engine.ErrInvalid):
		status = exitUsage
	case errors.Is(err, hwcq.ErrUnavailable), errors.Is(err, hwcq.ErrNotSupported), errors.As(err, &dial):
		status = exitUnavailable
	}
	return &statusError{status, err}
}

// explain prints an error and returns the exit status.
func explain(w io.Writer, command string, err error) int {
	status := exitUsage
	var se *statusError
	if errors.As(err, &se) {
		status, err = se.status, se.err
	}
	if err == errSilent {
		return status
	}
	for _, e := range split(err) {
		fmt.Fprintf(w, "%s: %v\n", command, inFlags(e))
	}
	switch status {
	case exitUsage:
		fmt.Fprintf(w, "%s --help lists the flags\n", command)
	case exitUnavailable:
		if !errors.As(err, new(*listenError)) {
			fmt.Fprintln(w, hint)
		}
	}
	return status
}

const hint = `hint: "evdbench rxe up" makes a soft-RoCE device (root; needs the rdma_rxe module);
      "make rxe" runs the benchmark in a guest that has one; --cq mock runs everywhere`

// split takes errors of errors.Join apart, and leaves those alone that wrap
// several errors in a text of their own.
func split(err error) []error {
	j, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	var all []error
	var texts []string
	for _, e := range j.Unwrap() {
		texts = append(texts, e.Error())
		all = append(all, split(e)...)
	}
	if err.Error() != strings.Join(texts, "\n") {
		return []error{err}
	}
	return all
}

// inFlags words an error about a parameter with the flag's name.
func inFlags(err error) error {
	var pe *engine.ParamError
	if errors.As(err, &pe) {
		return fmt.Errorf("--%s = %v: must be %s", pe.Param, pe.Value, pe.Allowed)
	}
	return err
}
