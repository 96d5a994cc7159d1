//go:build linux && (amd64 || arm64)

package uring

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/cqtest"
)

// conformant adapts a ring to the conformance suite. Requests that do nothing
// complete; messages of another ring, which need no room in this one, overrun
// it.
func conformant(c Config, depth int) (*cqtest.Bed, error) {
	c.Entries = max(2, depth) // the least Depth
	c.Depth = powerOfTwo(c.Entries)
	r, err := Open(c)
	if err != nil {
		return nil, err
	}
	other, err := Open(Config{Entries: 1})
	if err != nil {
		return nil, errors.Join(err, r.Close())
	}
	submit := func(r *Ring, reqs ...Request) error {
		n, err := r.Submit(reqs)
		if err == nil && n < len(reqs) {
			err = hwcq.ErrFull
		}
		return err
	}
	var reqs []Request
	return &cqtest.Bed{
		CQ: r,
		Complete: func(wrids ...uint64) error {
			reqs = reqs[:0]
			for _, id := range wrids {
				reqs = append(reqs, nop(id))
			}
			for n := 0; n < len(reqs); {
				k, err := r.Submit(reqs[n:])
				n += k
				// A kernel thread that fetches (SQPoll) gives the entries back
				// after the completions are there.
				if err != nil && !(c.SQPoll && errors.Is(err, hwcq.ErrFull)) {
					return err
				}
			}
			return nil
		},
		Fail: func(wrid uint64) error {
			return submit(r, with(wrid, Fsync(1<<20, false))) // no such descriptor
		},
		Overrun: func(wrids ...uint64) error {
			got := make([]hwcq.WC, 1)
			for _, id := range wrids {
				msg, err := MsgRing(r, id, 0)
				if err != nil {
					return err
				}
				if err := submit(other, msg); err != nil {
					return err
				}
				for other.Poll(got) == 0 {
				}
				if _, err := Result(got[0]); err != nil {
					return err
				}
			}
			return nil
		},
		Release: other.Close,
	}, nil
}

func TestConformance(t *testing.T) {
	for name, c := range map[string]Config{
		"portable": {}, "coop": {CoopTaskrun: true}, "sqpoll": {SQPoll: true}, "owner": {Shape: Owner},
	} {
		t.Run(name, func(t *testing.T) {
			require.NoError(t, c.Validate())
			r, err := Open(c)
			need(t, err)
			require.NoError(t, r.Close())
			cqtest.Run(t, cqtest.Driver{
				GuardsPoll: true,
				GuardsWait: true,
				Short:      c.SQPoll, // the kernel's thread takes a CPU from all else
				Open:       func(depth int) (*cqtest.Bed, error) { return conformant(c, depth) },
			})
		})
	}
}
