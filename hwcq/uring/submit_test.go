//go:build linux && (amd64 || arm64)

package uring

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/internal/param"
)

// linked is nops of which all but the last of each chain are linked.
func linked(chains ...int) []Request {
	var reqs []Request
	for _, n := range chains {
		for i := range n {
			q := nop(uint64(len(reqs)))
			if i < n-1 {
				q.Link = LinkNext
			}
			reqs = append(reqs, q)
		}
	}
	return reqs
}

// A chain goes whole or not at all.
func TestChainsAreWhole(t *testing.T) {
	shapes(t, Config{Entries: 4, Depth: 8}, func(t *testing.T, r *Ring) {
		for _, c := range []struct {
			reqs  []Request
			n     int // -1: all
			param string
			full  string
		}{
			{reqs: linked(4)},
			{reqs: linked(3, 3)},
			{reqs: linked(1, 4, 1, 2)},
			{reqs: linked(5), n: -1, param: "requests in a chain"},
			{reqs: linked(2, 5), n: 2, param: "requests in a chain"},
			{reqs: linked(4)[:3], n: -1, param: "reqs[2].Link"},
			{reqs: linked(1, 1, 2)[:3], n: 2, param: "reqs[2].Link"},
			{reqs: linked(4, 3, 2), n: 7, full: "Depth"},
			{reqs: linked(4, 4, 1), n: 8, full: "Depth"},
			{reqs: []Request{{}, {Link: 3}, {}}, n: 1, param: "reqs[1].Link"},
			{reqs: []Request{{}, {Link: LinkNext}, {Link: 7}}, n: 1, param: "reqs[2].Link"},
			{reqs: []Request{{}, {}, {}, {}, {}, Timeout(-1)}, n: 5, param: "reqs[5]"},
		} {
			want := len(c.reqs)
			if c.n > 0 {
				want = c.n
			} else if c.n < 0 {
				want = 0
			}
			n, err := 0, error(nil)
			for more := true; more; { // SQPoll fetches when it likes
				var k int
				k, err = r.Submit(c.reqs[n:])
				n += k
				more = r.conf.SQPoll && err == r.errEntries
			}
			require.Equal(t, want, n, "%+v", c)
			switch {
			case c.param != "":
				require.ErrorIs(t, err, param.ErrInvalid)
				if !r.conf.SQPoll { // where it counts from the last try on
					require.ErrorContains(t, err, c.param)
				}
			case c.full != "":
				require.ErrorIs(t, err, hwcq.ErrFull)
				require.ErrorContains(t, err, c.full)
			default:
				require.NoError(t, err)
			}
			var ids, wrids []uint64 // in the order of the kernel, which knows no order of chains
			for i, wc := range collect(t, r, want) {
				ids, wrids = append(ids, wc.WRID), append(wrids, c.reqs[i].WRID)
			}
			require.ElementsMatch(t, wrids, ids)
			require.Zero(t, r.Stats().InFlight)
		}
	})
}

// What the kernel does not fetch is taken back, and goes another time.
func TestEnterFails(t *testing.T) {
	r, f := openFake(t, Config{Entries: 8})
	for _, e := range []unix.Errno{unix.EAGAIN, unix.EBUSY, unix.ENOMEM, unix.EBADF} {
		f.errno = e
		n, err := r.Submit(linked(1, 1, 1))
		require.Zero(t, n)
		require.ErrorIs(t, err, e)
		require.Equal(t, r.sqHead.Load(), r.sqTail.Load())
		require.Zero(t, r.Stats().InFlight)
		require.Zero(t, r.Stats().Submitted)
	}
	f.errno, f.limit = 0, 3
	n, err := r.Submit(linked(1, 1, 1, 1, 1))
	require.Equal(t, 3, n)
	require.ErrorIs(t, err, unix.EAGAIN)
	require.Equal(t, 3, r.Stats().InFlight)
	f.limit = -1
	submit(t, r, linked(1, 1)...)
	require.Equal(t, 5, r.Stats().InFlight)
	for i := range uint32(5) {
		f.complete(cqe{userData: r.sqe(i).userData})
	}
	ids := []uint64{}
	for _, wc := range collect(t, r, 5) {
		ids = append(ids, wc.WRID)
	}
	require.Equal(t, []uint64{0, 1, 2, 0, 1}, ids)
	require.NoError(t, r.Close())
}

// A completion belongs to one request, once.
func TestStrangeCompletions(t *testing.T) {
	r, f := openFake(t, Config{Entries: 4})
	submit(t, r, nop(1), nop(2))
	u := r.sqe(0).userData
	strange := []uint64{
		u + 1<<32,     // another generation
		u - 1<<32,     // and another
		u | noSlot,    // no slot
		u&^noSlot | 5, // a slot that is free
		0, 7, 1<<63 - 1,
	}
	for _, s := range strange {
		f.complete(cqe{userData: s})
		require.Zero(t, r.Poll(make([]hwcq.WC, 4)))
	}
	f.complete(cqe{userData: u})
	f.complete(cqe{userData: u})
	f.complete(cqe{userData: r.sqe(1).userData})
	require.Len(t, collect(t, r, 2), 2)
	require.EqualValues(t, len(strange)+1, r.Stats().Strange)
	require.Zero(t, r.Stats().InFlight)
	for range 100 { // the slot is used again: the old completion still is nobody's
		submit(t, r, nop(3))
		f.complete(cqe{userData: u})
		require.Zero(t, r.Poll(make([]hwcq.WC, 4)))
		f.complete(cqe{userData: r.sqe(r.tail - 1).userData})
		collect(t, r, 1)
	}
	require.NoError(t, r.Close())
}

// Depth requests in flight and no more; they make room as they complete.
func TestDepthIsTheLimit(t *testing.T) {
	shapes(t, Config{Entries: 8, Depth: 16}, func(t *testing.T, r *Ring) {
		for round := range 20 {
			var reqs []Request
			for i := range 30 {
				reqs = append(reqs, nop(uint64(i)))
			}
			n := 0
			for {
				k, err := r.Submit(reqs[n:])
				n += k
				require.ErrorIs(t, err, hwcq.ErrFull)
				if err == r.errDepth {
					require.ErrorContains(t, err, "16 requests in flight")
					break
				}
				require.True(t, r.conf.SQPoll, "round %d: %d: %v", round, n, err)
			}
			require.Equal(t, 16, r.Stats().InFlight)
			require.Len(t, collect(t, r, 16), 16)
		}
	})
}

// A Poll that meets a search for a request to cancel does not come back with nothing:
// its caller would go to sleep over what is there.
func TestPollBesideCancel(t *testing.T) {
	r := open(t, Config{Entries: 4, Depth: MaxDepth})
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			default:
				r.mu.Lock()
				r.slots.find(1 << 40)
				r.mu.Unlock()
			}
		}
	}()
	for i := range 2000 {
		submit(t, r, nop(uint64(i))) // it completes here
		if r.Poll(make([]hwcq.WC, 1)) != 1 {
			t.Errorf("%d: there, and not found", i)
			break
		}
	}
	close(stop)
	<-done
	for r.Stats().InFlight > 0 {
		r.Poll(make([]hwcq.WC, 1))
	}
}

// A Cancel of the same WRID as what it is for does not find itself, nor an earlier one.
func TestCancelDoesNotFindItself(t *testing.T) {
	shapes(t, Config{}, func(t *testing.T, r *Ring) {
		target := Timeout(time.Hour)
		target.WRID = 7
		submit(t, r, nop(1), target) // in slots 0 and 1
		collect(t, r, 1)
		q := Cancel(7)
		q.WRID = 7
		submit(t, r, q)
		for _, wc := range collect(t, r, 2) {
			require.EqualValues(t, 7, wc.WRID)
			if OpOf(wc) == OpAsyncCancel {
				require.Equal(t, hwcq.StatusSuccess, wc.Status, "errno %d", wc.VendorErr)
			}
		}
	})
}
