package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/spf13/cobra"

	"github.com/evdengine/evd/bench/ranks"
	"github.com/evdengine/evd/engine"
	"github.com/evdengine/evd/hwcq"
)

// Exit statuses. statuses says what they mean.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2
	exitUnavailable = 3
	exitInvalid     = 4
	exitPeerLost    = 5
	exitInterrupted = 130
)

// statuses is what help texts and man pages say about exit statuses.
var statuses = []struct {
	status int
	means  string
}{
	{exitOK, "all is well"},
	{exitFailed, "another failure: a gate or a comparison failed, or a result or a file could not be written (the measurement is saved elsewhere then)"},
	{exitUsage, "usage: a flag, a file or a variable is not as it must be"},
	{exitUnavailable, "not available here: the completion queue, the server, or a folder that can be written"},
	{exitInvalid, "the run is invalid: an event was lost, doubled or out of order, or the figures must not be used"},
	{exitPeerLost, "the peer was lost in the run; what had been accepted came back all the same"},
	{exitInterrupted, "interrupted, with a partial report"},
}

// statusText lists the exit statuses for a help text.
func statusText() string {
	var b strings.Builder
	b.WriteString("Exit status:\n\n")
	for _, s := range statuses {
		fmt.Fprintf(&b, "    %3d  %s\n", s.status, strings.Join(wrap(s.means, helpWidth-9), "\n         "))
	}
	return strings.TrimSuffix(b.String(), "\n")
}

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
func explain(w io.Writer, cmd *cobra.Command, err error) int {
	command, status := cmd.CommandPath(), exitUsage
	var se *statusError
	if errors.As(err, &se) {
		status, err = se.status, se.err
	}
	if err == errSilent {
		return status
	}
	for _, e := range split(err) {
		fmt.Fprintf(w, "%s: %v%s\n", command, inFlags(e), origin(cmd, e))
	}
	switch status {
	case exitUsage:
		fmt.Fprintf(w, "%s --help lists the flags\n", command)
	case exitUnavailable:
		var missing *ranks.MissingError // says what to do itself
		if !errors.As(err, &missing) && !errors.Is(err, errHost) && (errors.Is(err, hwcq.ErrUnavailable) || errors.Is(err, hwcq.ErrNotSupported)) {
			fmt.Fprintln(w, hint)
		}
	}
	return status
}

// origin is where the refused value of a flag is from, if not from the command line.
func origin(cmd *cobra.Command, err error) string {
	var pe *engine.ParamError
	if !errors.As(err, &pe) {
		return ""
	}
	if f := cmd.Flags().Lookup(pe.Param); f != nil && len(f.Annotations[fromKey]) > 0 {
		return " (from " + f.Annotations[fromKey][0] + ")"
	}
	return ""
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
