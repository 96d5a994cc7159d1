package check

import (
	"sync"
	"time"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/cqtest"
	"github.com/evdengine/evd/hwcq/eventfd"
)

// spread makes a completion of n signals n completions with the cookies of those who
// signalled: the suite counts completions, and an eventfd adds signals up.
type spread struct {
	*eventfd.CQ

	mu     sync.Mutex
	ids    []uint64 // signalled and not polled, oldest first
	owed   int      // signals polled from the CQ, and not from here
	closed bool
	wcs    [1]hwcq.WC
}

// spreadDepth is how many signals are told apart.
const spreadDepth = 1024

func (s *spread) complete(wrids ...uint64) error {
	s.mu.Lock()
	s.ids = append(s.ids, wrids...)
	s.mu.Unlock()
	return s.Signal(uint64(len(wrids)))
}

func (s *spread) Poll(dst []hwcq.WC) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return 0
	}
	if s.owed == 0 && s.CQ.Poll(s.wcs[:min(1, len(dst))]) == 1 {
		s.owed = int(s.wcs[0].ByteLen)
	}
	n := min(len(dst), s.owed)
	for i := range n {
		dst[i] = hwcq.WC{WRID: s.ids[i]}
	}
	s.ids = s.ids[:copy(s.ids, s.ids[n:])]
	s.owed -= n
	return n
}

func (s *spread) Pending() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.closed && (s.owed > 0 || s.CQ.Pending())
}

func (s *spread) Arm(solicited bool) (bool, error) {
	missed, err := s.CQ.Arm(solicited)
	return missed || err == nil && s.Pending(), err
}

func (s *spread) Capabilities() hwcq.Capabilities {
	c := s.CQ.Capabilities()
	c.Depth = spreadDepth
	return c
}

func (s *spread) Close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	return s.CQ.Close()
}

func eventfdDriver(Config) (cqtest.Driver, func() error, error) {
	c, err := eventfd.New(eventfd.Config{})
	if err != nil {
		return cqtest.Driver{}, nil, err
	}
	return cqtest.Driver{
		Quiet: 2 * time.Millisecond, GuardsPoll: true, GuardsWait: true,
		Open: func(int) (*cqtest.Bed, error) {
			c, err := eventfd.New(eventfd.Config{})
			if err != nil {
				return nil, err
			}
			s := &spread{CQ: c, ids: make([]uint64, 0, 4*spreadDepth)}
			return &cqtest.Bed{CQ: s, Complete: s.complete}, nil
		},
	}, nothing, c.Close()
}
