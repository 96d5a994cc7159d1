package vm

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Errors of a run that did not get as far as the job's exit status.
var (
	ErrBoot    = errors.New("vm: the guest did not come up")
	ErrTimeout = errors.New("vm: time limit exceeded")
	ErrKernel  = errors.New("vm: the guest's kernel crashed")
	ErrLost    = errors.New("vm: the guest ended without a result")
	ErrKilled  = errors.New("vm: the guest was killed")
)

// report is one line of the guest on its control port.
type report struct {
	kind string // hello, ready, exit, fail
	text string // hello: release; fail: reason
	code int    // exit
	up   time.Duration
}

// parseReport reads a control line: "hello RELEASE", "ready UPTIME",
// "exit CODE UPTIME", "fail REASON".
func parseReport(line string) (report, error) {
	kind, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
	r := report{kind: kind}
	bad := func() (report, error) { return report{}, fmt.Errorf("vm: unknown control line %q", line) }
	uptime := func(s string) (time.Duration, bool) {
		f, err := strconv.ParseFloat(s, 64)
		return time.Duration(f * float64(time.Second)), err == nil && f >= 0 && f < 1e9
	}
	ok := true
	switch kind {
	case "hello", "fail":
		r.text = rest
		ok = rest != ""
	case "ready":
		r.up, ok = uptime(rest)
	case "exit":
		code, up, found := strings.Cut(rest, " ")
		n, err := strconv.Atoi(code)
		r.code = n
		r.up, ok = uptime(up)
		ok = ok && found && err == nil && n >= 0 && n <= 255
	default:
		ok = false
	}
	if !ok {
		return bad()
	}
	return r, nil
}
