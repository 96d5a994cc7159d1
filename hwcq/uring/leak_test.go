//go:build linux && (amd64 || arm64)

package uring_test

import (
	"bytes"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/evdengine/evd/engine"
	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/uring"
	"github.com/evdengine/evd/internal/atom"
)

// usage is what a process has.
type usage struct{ files, mappings, goroutines, threads, heap int }

func used(t *testing.T) (u usage) {
	t.Helper()
	runtime.GC() // the last pages of a ring go with it
	runtime.GC()
	for dir, n := range map[string]*int{"/proc/self/fd": &u.files, "/proc/self/task": &u.threads} {
		list, err := os.ReadDir(dir)
		require.NoError(t, err)
		*n = len(list)
	}
	maps, err := os.ReadFile("/proc/self/maps")
	require.NoError(t, err)
	u.mappings = bytes.Count(maps, []byte("\n"))
	u.goroutines = runtime.NumGoroutine()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	u.heap = int(m.HeapAlloc)
	return u
}

// within tells whether u is no more than before, but for what the runtime itself comes and goes with.
func (u usage) within(before usage) bool {
	return u.files <= before.files && u.goroutines <= before.goroutines &&
		u.mappings <= before.mappings+64 && u.threads <= before.threads+16 && u.heap <= before.heap+1<<20
}

// TestUringLeaksNothing opens and closes rings and EVDs 1000 times, in the middle of traffic.
func TestUringLeaksNothing(t *testing.T) {
	// Errors that nobody takes would be kept: what a closed ring's requests complete
	// with is unrouted on a shared CQ.
	e, err := engine.New(engine.Config{AsyncUpcall: func(*engine.Upcall) {}})
	require.NoError(t, err)
	defer func() { require.NoError(t, e.Close()) }()
	for i := range 100 {
		leakCycle(t, e, i)
	}
	before := used(t)
	cycles := 1000
	if testing.Short() {
		cycles = 100
	}
	for i := range cycles {
		leakCycle(t, e, i)
	}
	now := used(t)
	for end := time.Now().Add(20 * time.Second); !now.within(before) && time.Now().Before(end); now = used(t) {
		time.Sleep(10 * time.Millisecond)
	}
	require.True(t, now.within(before), "%+v before, %+v after 1000 cycles", before, now)
	t.Logf("%+v before, %+v after 1000 cycles", before, now)
}

// leakCycle is the life of a ring: with an EVD or a shared CQ, of both shapes.
func leakCycle(t *testing.T, e *engine.Engine, i int) {
	ring, err := uring.Open(uring.Config{Entries: 32, Shape: uring.Shape(i % 2)})
	uring.Need(t, err)
	memory, err := ring.Alloc(8192)
	require.NoError(t, err)
	bufs, err := ring.NewBuffers(uring.BuffersConfig{Group: 3, Count: 8, Size: 512})
	require.NoError(t, err)
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	require.NoError(t, err)

	var came atom.Uint64
	some := make(chan struct{})
	var again [1]uring.Request
	cfg := engine.EVDConfig{
		Streams: engine.DTO, Policy: engine.SingleInstance, Dispatch: engine.Dispatch(i / 2 % 3),
		Upcall: func(u *engine.Upcall) {
			for range u.Events() {
				if came.Add(1) == 20 {
					close(some)
				}
			}
			again[0] = uring.Nop() // so that there is traffic until the end
			again[0].QPNum = 1
			_, _ = ring.Submit(again[:]) // refused when it is closed
		},
	}
	var shared *engine.SharedCQ
	if i/6%2 == 0 {
		cfg.CQs = []hwcq.CQ{ring}
	} else {
		shared, err = e.NewSharedCQ(engine.SharedCQConfig{CQ: ring})
		require.NoError(t, err)
	}
	d, err := e.NewEVD(cfg)
	require.NoError(t, err)
	if shared != nil {
		_, err = d.Join(shared, 1, 16)
		require.NoError(t, err)
	}
	// Some wait for ever, and one has a Go buffer pinned.
	reqs := []uring.Request{
		uring.Recv(pair[0], memory[:100], 0), uring.RecvMulti(pair[1], bufs, 0), uring.PollMulti(pair[0], unix.POLLIN),
		uring.Recv(pair[1], make([]byte, 1000), 0), uring.Timeout(time.Hour), uring.Nop(), uring.Nop(),
	}
	for k := range reqs {
		reqs[k].QPNum = 1
	}
	n, err := ring.Submit(reqs)
	require.NoError(t, err)
	require.Len(t, reqs, n)
	select {
	case <-some:
	case <-time.After(20 * time.Second):
		require.FailNow(t, "no traffic")
	}
	require.NoError(t, d.Close())
	if shared != nil {
		require.NoError(t, shared.Close())
	}
	require.NoError(t, ring.Close())
	require.NoError(t, unix.Close(pair[0]))
	require.NoError(t, unix.Close(pair[1]))
}
