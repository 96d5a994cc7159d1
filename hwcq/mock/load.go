package mock

import (
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/internal/param"
)

// Load describes an open stream: completions that arrive on a schedule of
// their own, whatever the consumer does. The zero value sends single
// completions as fast as they are polled, until it is stopped.
type Load struct {
	// Count is how many completions to produce; 0: no limit.
	Count uint64

	// Duration is how long to produce them, >= 0; 0: no limit.
	Duration time.Duration

	// Gap is the time from the planned start of one burst to that of the
	// next. Starts that were missed, because the CQ was full or the processor
	// away, are caught up with: the schedule does not move. DistNone: no
	// schedule, one burst after the other.
	Gap Dist

	// Bursts are the sizes of bursts, taken in turn and then from the start
	// again, each 1..MaxDepth; nil means 1. A burst is published at once, or
	// in pieces of 256.
	Bursts []int

	// RandomBursts picks from Bursts at random instead of in turn.
	RandomBursts bool

	// Overrun lets the stream overrun a full CQ. By default it waits for
	// room.
	Overrun bool

	// WC is what each completion looks like. Its WRID is that of the first
	// one and counts up from there.
	WC hwcq.WC

	// SolicitedEvery makes every nth completion a solicited one; 0: none.
	SolicitedEvery uint64

	// Fail picks completions that are failed ones, counted from 1, with
	// FailStatus; StatusSuccess means StatusGeneralErr.
	Fail       Rule
	FailStatus hwcq.Status

	// Seed is mixed with the CQ's for Gap, RandomBursts and Fail.
	Seed uint64

	// Fill, if set, is called with each completion just before it is
	// published, on the stream's goroutine, and may change it. seq counts
	// from 0. late is how far the burst is behind its planned start, so that
	// a time stamp minus late is the planned time; 0 without a schedule. It
	// must not call the CQ's Close or the stream's Stop.
	Fill func(seq uint64, late time.Duration, wc *hwcq.WC) `json:"-"`
}

// Validate reports every problem of the load at once.
func (l Load) Validate() error {
	const op = "mock: Start"
	errs := []error{l.Gap.validate(op, "Gap"), l.Fail.validate(op, "Fail")}
	if l.Duration < 0 {
		errs = append(errs, param.Invalid(op, "Duration", l.Duration, ">= 0"))
	}
	for i, b := range l.Bursts {
		if b < 1 || b > MaxDepth {
			errs = append(errs, param.Invalid(op, "Bursts["+strconv.Itoa(i)+"]", b, "1..4194304"))
		}
	}
	return errors.Join(errs...)
}

func (l Load) withDefaults() Load {
	if len(l.Bursts) == 0 {
		l.Bursts = []int{1}
	} else {
		l.Bursts = slices.Clone(l.Bursts) // ours: read by another goroutine
	}
	if l.FailStatus == hwcq.StatusSuccess {
		l.FailStatus = hwcq.StatusGeneralErr
	}
	return l
}
