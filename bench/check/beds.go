package check

import (
	"time"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/cqtest"
	"github.com/evdengine/evd/hwcq/mock"
	"github.com/evdengine/evd/hwcq/timer"
)

// makeDriver adapts a CQ to the suite. release gives back what all its beds share.
type makeDriver func(Config) (d cqtest.Driver, release func() error, err error)

var beds = map[string]makeDriver{
	Mock: mockDriver, Timer: timerDriver, EventFD: eventfdDriver, URing: uringDriver, RXE: rxeDriver,
}

func nothing() error { return nil }

func mockDriver(cfg Config) (cqtest.Driver, func() error, error) {
	// Quiet: the mock raises its events before Complete returns.
	return cqtest.Driver{Quiet: time.Millisecond, Open: func(depth int) (*cqtest.Bed, error) {
		c, err := mock.New(mock.Config{Depth: depth, Seed: cfg.Seed})
		if err != nil {
			return nil, err
		}
		return mockBed(c), nil
	}}, nothing, nil
}

func mockBed(c *mock.CQ) *cqtest.Bed {
	var wcs []hwcq.WC
	complete := func(wrids []uint64) (int, error) {
		wcs = wcs[:0]
		for _, id := range wrids {
			wcs = append(wcs, hwcq.WC{WRID: id})
		}
		return c.CompleteN(wcs, false)
	}
	one := func(wc hwcq.WC, solicited bool) error {
		ok, err := c.Complete(wc, solicited)
		if err == nil && !ok {
			return hwcq.ErrFull
		}
		return err
	}
	return &cqtest.Bed{
		CQ: c,
		Complete: func(wrids ...uint64) error {
			n, err := complete(wrids)
			if err == nil && n < len(wrids) {
				return hwcq.ErrFull
			}
			return err
		},
		Fail:      func(id uint64) error { return one(hwcq.WC{WRID: id, Status: hwcq.StatusRemOpErr}, false) },
		Solicited: func(id uint64) error { return one(hwcq.WC{WRID: id}, true) },
		Overrun:   func(wrids ...uint64) error { _, err := complete(wrids); return err },
		Remove:    func() error { c.Remove(); return nil },
	}
}

func timerDriver(Config) (cqtest.Driver, func() error, error) {
	return cqtest.Driver{
		Quiet: 2 * time.Millisecond, GuardsPoll: true, GuardsWait: true,
		Open: func(depth int) (*cqtest.Bed, error) {
			c, err := timer.New(timer.Config{Depth: depth})
			if err != nil {
				return nil, err
			}
			return &cqtest.Bed{CQ: c, Complete: func(wrids ...uint64) error {
				for _, id := range wrids {
					if _, err := c.After(0, id); err != nil {
						return err
					}
				}
				return nil
			}}, nil
		},
	}, nothing, nil
}
