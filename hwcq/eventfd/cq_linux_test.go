package eventfd

import (
	"math"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/cqtest"
	"github.com/evdengine/evd/internal/param"
)

// spread makes a completion of n signals n completions with the WRIDs of who
// signalled, which is what the conformance suite counts.
type spread struct {
	*CQ
	mu   sync.Mutex
	ids  [4096]uint64 // a ring
	r, w int
	owed int // signals polled from the CQ, and not from here
	wcs  [1]hwcq.WC
}

func (s *spread) complete(wrids ...uint64) error {
	s.mu.Lock()
	for _, id := range wrids {
		s.ids[s.w%len(s.ids)] = id
		s.w++
	}
	s.mu.Unlock()
	return s.Signal(uint64(len(wrids)))
}

func (s *spread) Poll(dst []hwcq.WC) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed.Load() {
		return 0
	}
	if s.owed == 0 && s.CQ.Poll(s.wcs[:min(1, len(dst))]) == 1 {
		s.owed = int(s.wcs[0].ByteLen)
	}
	n := min(len(dst), s.owed)
	for i := range n {
		dst[i] = hwcq.WC{WRID: s.ids[s.r%len(s.ids)]}
		s.r++
	}
	s.owed -= n
	return n
}

func (s *spread) Pending() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.owed > 0 && !s.closed.Load() || s.CQ.Pending()
}

func (s *spread) Arm(solicited bool) (bool, error) {
	missed, err := s.CQ.Arm(solicited)
	return missed || err == nil && s.Pending(), err
}

func (s *spread) Capabilities() hwcq.Capabilities {
	c := s.CQ.Capabilities()
	c.Depth = 1024
	return c
}

func TestConformance(t *testing.T) {
	for _, given := range []string{"own", "given", "semaphore"} {
		t.Run(given, func(t *testing.T) {
			cqtest.Run(t, cqtest.Driver{Quiet: 2 * time.Millisecond, GuardsPoll: true, GuardsWait: true, Open: func(int) (*cqtest.Bed, error) {
				var cfg Config
				var err error
				release := func() error { return nil }
				if given != "own" {
					flags := unix.EFD_NONBLOCK
					if given == "semaphore" {
						flags |= unix.EFD_SEMAPHORE
					}
					if cfg.FD, err = unix.Eventfd(0, flags); err != nil {
						return nil, err
					}
					release = func() error { return unix.Close(cfg.FD) }
				}
				c, err := New(cfg)
				if err != nil {
					return nil, err
				}
				s := &spread{CQ: c}
				return &cqtest.Bed{CQ: s, Complete: s.complete, Release: release}, nil
			}})
		})
	}
}

func open(t testing.TB, cfg Config) *CQ {
	c, err := New(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return c
}

func TestSignalsCoalesce(t *testing.T) {
	c := open(t, Config{WRID: 7, QPNum: 3})
	dst := make([]hwcq.WC, 4)
	require.NoError(t, c.Signal(0))
	require.Zero(t, c.Poll(dst))
	for _, n := range []uint64{1, 5, 30} {
		require.NoError(t, c.Signal(n))
	}
	require.Equal(t, 1, c.Poll(dst))
	require.Equal(t, hwcq.WC{WRID: 7, QPNum: 3, ByteLen: 36}, dst[0])
	require.Zero(t, c.Poll(dst))
}

// What does not fit into one completion comes in others.
func TestManySignals(t *testing.T) {
	c := open(t, Config{})
	const n = 3<<32 + 5
	require.NoError(t, c.Signal(n))
	dst := make([]hwcq.WC, 1)
	var sum uint64
	for c.Poll(dst) == 1 {
		sum += uint64(dst[0].ByteLen)
	}
	require.EqualValues(t, n, sum)
	require.ErrorIs(t, c.Signal(math.MaxUint64), hwcq.ErrFull)
	require.NoError(t, c.Signal(math.MaxUint64-1))
	require.ErrorIs(t, c.Signal(1), hwcq.ErrFull, "the counter is full")
	require.True(t, c.Pending())
	require.NoError(t, c.Signal(1), "read out")
}

// Foreign code writes to its own descriptor of the same counter.
func TestForeignWriter(t *testing.T) {
	fd, err := unix.Eventfd(2, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	require.NoError(t, err)
	c, err := New(Config{FD: fd})
	require.NoError(t, err)
	require.NotEqual(t, fd, c.FD())
	_, err = unix.Write(fd, []byte{3, 3, 0, 0, 0, 0, 3, 3}[:7])
	require.ErrorIs(t, err, unix.EINVAL)
	require.True(t, c.Pending(), "what was there before")
	dst := make([]hwcq.WC, 1)
	require.Equal(t, 1, c.Poll(dst))
	require.EqualValues(t, 2, dst[0].ByteLen)

	_, err = c.Arm(false)
	require.NoError(t, err)
	time.AfterFunc(time.Millisecond, func() { _, _ = unix.Write(fd, []byte{1, 0, 0, 0, 0, 0, 0, 1}) })
	event, err := c.Events().Wait()
	require.NoError(t, err)
	require.True(t, event)
	require.Equal(t, 1, c.Poll(dst))

	require.NoError(t, c.Close())
	require.Equal(t, -1, c.FD())
	require.ErrorIs(t, c.Signal(1), hwcq.ErrClosed)
	_, err = unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	require.NoError(t, err, "the caller's descriptor is the caller's")
	require.NoError(t, unix.Close(fd))
}

func TestParameters(t *testing.T) {
	blocking, err := unix.Eventfd(0, 0)
	require.NoError(t, err)
	defer func() { require.NoError(t, unix.Close(blocking)) }()
	null, err := os.Open(os.DevNull)
	require.NoError(t, err)
	defer func() { require.NoError(t, null.Close()) }()
	for fd, want := range map[int]string{
		-1: "FD = -1", 1 << 20: "open eventfd", blocking: "EFD_NONBLOCK", int(null.Fd()): "(/dev/null)",
	} {
		_, err := New(Config{FD: fd})
		require.ErrorIs(t, err, param.ErrInvalid)
		require.ErrorContains(t, err, want)
	}
}

func BenchmarkPollEmpty(b *testing.B) {
	c := open(b, Config{})
	dst := make([]hwcq.WC, 4)
	b.ReportAllocs()
	for b.Loop() {
		c.Poll(dst)
	}
}

// BenchmarkArm is one turn of the protocol: arm, signal, event, poll.
func BenchmarkArm(b *testing.B) {
	c := open(b, Config{})
	dst := make([]hwcq.WC, 1)
	b.ReportAllocs()
	for b.Loop() {
		_, _ = c.Arm(false)
		_ = c.Signal(1)
		if event, _ := c.Events().Wait(); !event || c.Poll(dst) != 1 {
			b.Fatal("no event or no completion")
		}
	}
}
