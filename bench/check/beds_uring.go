package check

import (
	"errors"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/cqtest"
	"github.com/evdengine/evd/hwcq/uring"
)

// noFD is no descriptor.
const noFD = 1 << 20

func uringDriver(Config) (cqtest.Driver, func() error, error) {
	r, err := uring.Open(uring.Config{})
	if err != nil {
		return cqtest.Driver{}, nil, err
	}
	return cqtest.Driver{GuardsPoll: true, GuardsWait: true, Open: uringBed}, nothing, r.Close()
}

// uringBed is a ring on which requests that do nothing complete. Messages of another
// ring, which need no room in this one, overrun it.
func uringBed(depth int) (*cqtest.Bed, error) {
	entries := 2
	for entries < depth {
		entries *= 2
	}
	r, err := uring.Open(uring.Config{Entries: entries, Depth: entries})
	if err != nil {
		return nil, err
	}
	other, err := uring.Open(uring.Config{Entries: 1})
	if err != nil {
		return nil, errors.Join(err, r.Close())
	}
	submit := func(r *uring.Ring, q uring.Request) error {
		n, err := r.Submit([]uring.Request{q})
		if err == nil && n == 0 {
			err = hwcq.ErrFull
		}
		return err
	}
	var reqs []uring.Request
	return &cqtest.Bed{
		CQ: r,
		Complete: func(wrids ...uint64) error {
			reqs = reqs[:0]
			for _, id := range wrids {
				q := uring.Nop()
				q.WRID = id
				reqs = append(reqs, q)
			}
			for n := 0; n < len(reqs); {
				k, err := r.Submit(reqs[n:])
				if err != nil {
					return err
				}
				n += k
			}
			return nil
		},
		Fail: func(wrid uint64) error {
			q := uring.Fsync(noFD, false)
			q.WRID = wrid
			return submit(r, q)
		},
		Overrun: func(wrids ...uint64) error {
			got := make([]hwcq.WC, 1)
			for _, id := range wrids {
				msg, err := uring.MsgRing(r, id, 0)
				if err != nil {
					return err
				}
				if err := submit(other, msg); err != nil {
					return err
				}
				for other.Poll(got) == 0 {
				}
				if _, err := uring.Result(got[0]); err != nil {
					return err
				}
			}
			return nil
		},
		Release: other.Close,
	}, nil
}
