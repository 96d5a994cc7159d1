package main

import (
	"time"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/mock"
)

// pollCells poll a CQ that has nothing. The C side of it is "cpoll".
func pollCells() []*cell {
	return []*cell{
		polling("evd-mock", func() (hwcq.CQ, error) { return mock.New(mock.Config{Depth: slots}) }),
	}
}

func polling(impl string, open func() (hwcq.CQ, error)) *cell {
	return native(id{Shape: "POLL", Impl: impl}, 1, 64, func(n uint64) (time.Duration, int64, error) {
		cq, err := open()
		if err != nil {
			return 0, 0, err
		}
		wcs := make([]hwcq.WC, 16)
		got := 0
		took, disturbed := alone(func() {
			for range n {
				got += cq.Poll(wcs)
			}
		})
		if err := cq.Close(); err != nil {
			return 0, 0, err
		}
		return took, disturbed, wrongSum(0, uint64(got)) // nothing comes
	})
}
