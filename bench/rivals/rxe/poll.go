//go:build linux && (amd64 || arm64)

package main

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/rxe"
)

// polls is ns per poll of an empty CQ of the device, in this process.
func (p *programs) polls(n int) func(context.Context) (float64, error) {
	return func(context.Context) (_ float64, err error) {
		d, err := rxe.Open(rxe.Config{Device: p.dev})
		if err != nil {
			return 0, err
		}
		defer func() { err = errors.Join(err, d.Close()) }()
		cq, err := d.OpenCQ(rxe.CQConfig{Depth: 1023})
		if err != nil {
			return 0, err
		}
		wcs := make([]hwcq.WC, 16)
		start := time.Now()
		got := pollEmpty(cq, wcs, n)
		took := time.Since(start)
		if got != 0 {
			return 0, errors.New("an empty CQ had completions")
		}
		return float64(took.Nanoseconds()) / float64(n), nil
	}
}

// pollEmpty has a frame of its own, so that the loop is as short as C's.
//
//go:noinline
func pollEmpty(cq *rxe.CQ, wcs []hwcq.WC, n int) int {
	for range n {
		if got := cq.Poll(wcs); got != 0 {
			return got
		}
	}
	return 0
}

// cPolls is the same by ibv_poll_cq, in a process of its own: c/poll.c.
func (p *programs) cPolls(binary string, n int) func(context.Context) (float64, error) {
	return func(ctx context.Context) (float64, error) {
		out, err := command(ctx, binary, p.dev, strconv.Itoa(n))
		return find(out, err, `^([0-9.]+) ns`, 1)
	}
}
