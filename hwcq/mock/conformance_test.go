package mock_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/cqtest"
	"github.com/evdengine/evd/hwcq/mock"
)

// driver adapts the mock to the conformance suite.
func driver(cfg mock.Config) cqtest.Driver {
	// Quiet: the mock raises its events before Complete returns.
	return cqtest.Driver{Quiet: time.Millisecond, Open: func(depth int) (*cqtest.Bed, error) {
		cfg.Depth = depth
		c, err := mock.New(cfg)
		if err != nil {
			return nil, err
		}
		stored := func(ok bool, err error) error {
			if err == nil && !ok {
				return hwcq.ErrFull
			}
			return err
		}
		good := func(wrids []uint64) []hwcq.WC {
			wcs := make([]hwcq.WC, len(wrids))
			for i, id := range wrids {
				wcs[i].WRID = id
			}
			return wcs
		}
		return &cqtest.Bed{
			CQ: c,
			Complete: func(wrids ...uint64) error {
				n, err := c.CompleteN(good(wrids), false)
				return stored(n == len(wrids), err)
			},
			Fail: func(wrid uint64) error {
				return stored(c.Complete(hwcq.WC{WRID: wrid, Status: hwcq.StatusRemOpErr}, false))
			},
			Solicited: func(wrid uint64) error {
				return stored(c.Complete(hwcq.WC{WRID: wrid}, true))
			},
			Overrun: func(wrids ...uint64) error {
				_, err := c.CompleteN(good(wrids), false)
				return err
			},
			Remove: func() error { c.Remove(); return nil },
		}, nil
	}}
}

func TestConformance(t *testing.T) {
	for _, fatal := range []bool{false, true} {
		for _, first := range []uint32{0, 1<<32 - 50} { // the indices wrap
			t.Run(fmt.Sprintf("fatal=%v/first=%d", fatal, first), func(t *testing.T) {
				cqtest.Run(t, driver(mock.Config{FatalOverrun: fatal, FirstIndex: first}))
			})
		}
	}
}

// Faults that a consumer has to live with are no breach of the interface:
// hwcq.EventSource calls spurious events normal, and any event may be late.
// The other faults are breaches; see TestSuiteFindsMockFaults of cqtest.
func TestConformanceWithFaults(t *testing.T) {
	for name, f := range map[string]mock.Faults{
		"duplicate": {DuplicateEvent: mock.Always()},
		"sometimes": {DuplicateEvent: mock.Rule{Prob: 0.3}, SpuriousEvent: mock.Rule{Prob: 0.3}},
		"spurious":  {SpuriousEvent: mock.Always()},
		"late":      {DelayEvent: mock.Always(), Delay: 2 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			d := driver(mock.Config{Faults: f})
			d.Short = true
			if name == "late" {
				d.Quiet = 0
			} else {
				d.SpuriousEvents = true
			}
			cqtest.Run(t, d)
		})
	}
}
