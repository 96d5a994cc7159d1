//go:build linux && (amd64 || arm64)

package uring

import (
	"encoding/binary"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/internal/mapped"
)

// FuzzRingContents runs a ring over memory into which the input writes whatever it
// likes. No poll returns what was not in flight, nothing is touched outside the rings,
// and a ring that makes no sense says so from then on.
func FuzzRingContents(f *testing.F) {
	f.Add([]byte{0, 3, 0, 1, 0, 0, 1, 1, 0, 2, 0, 0})
	f.Add([]byte{0, 3, 0, 6, 255, 255, 2, 0, 0, 3, 0, 0})
	f.Add([]byte{0, 3, 0, 4, 0, 128, 2, 0, 0, 5, 2, 0, 2, 0, 0})
	f.Add([]byte{0, 1, 0, 1, 0, 0, 1, 0, 0, 2, 0, 0, 0, 7, 0})
	f.Fuzz(func(t *testing.T, program []byte) {
		c := Config{Entries: 4, Depth: 8}
		if len(program) > 0 && program[0]&1 != 0 {
			c.Shape = Owner
		}
		r, k := openFake(t, c)
		defer k.drop(t)
		inFlight := map[uint64]bool{}
		next := uint64(0)
		dst := make([]hwcq.WC, 5)
		for ; len(program) >= 3; program = program[3:] {
			v := uint32(binary.LittleEndian.Uint16(program[1:]))
			wild := v | v<<16
			corrupt := r.state.Load()&stCorrupt != 0
			switch program[0] % 10 {
			case 0:
				reqs := make([]Request, v%8)
				for i := range reqs {
					reqs[i].WRID = next + uint64(i)
				}
				n, err := r.Submit(reqs)
				for range n {
					inFlight[next] = true
					next++
				}
				if corrupt && len(reqs) > 0 {
					require.ErrorIs(t, err, ErrCorrupt)
					require.Zero(t, n)
				}
			case 1: // a completion of something, perhaps
				u := uint64(v>>8)<<32 | uint64(v&15)
				if v&1 != 0 {
					u = r.sqe(v >> 1).userData
				}
				k.complete(cqe{userData: u, res: int32(wild), flags: v & 7})
			case 2:
				n := r.Poll(dst[:v%6])
				require.LessOrEqual(t, n, int(v%6))
				if corrupt {
					require.Zero(t, n)
				}
				for _, wc := range dst[:n] {
					if wc.Opcode != OpMsgRing.Opcode() {
						require.True(t, inFlight[wc.WRID], "%+v", wc)
					}
				}
			case 3:
				missed, err := r.Arm(false)
				require.Equal(t, corrupt, errors.Is(err, ErrCorrupt))
				require.False(t, missed && corrupt)
				require.False(t, corrupt && r.Pending())
			case 4:
				r.cqTail.Store(wild)
			case 5:
				r.sqHead.Store(wild)
			case 6:
				r.sqFlags.Store(wild)
			case 7:
				r.cqHead.Store(wild)
			case 8:
				k.errno, k.limit = unix.Errno(v&63), int(v&7)-1
			case 9: // whatever the entries hold
				e := r.cqe(v)
				e.userData, e.res, e.flags = uint64(wild)<<32|uint64(v&7), int32(wild), wild
			}
			s := r.Stats()
			require.GreaterOrEqual(t, s.InFlight, 0)
			require.LessOrEqual(t, s.InFlight, 8)
			require.Equal(t, s.Submitted, s.Completed+uint64(s.InFlight))
			require.Equal(t, next, s.Submitted)
		}
	})
}

// FuzzRingParams gives the kernel's answer to io_uring_setup, and what is in the
// mapping, to the fuzzer: refused, or every word and entry lies in the mapping.
func FuzzRingParams(f *testing.F) {
	f.Add(make([]byte, 64), uint32(4096), uint32(4096))
	f.Fuzz(func(t *testing.T, b []byte, ringSize, entriesSize uint32) {
		word := func() uint32 {
			if len(b) < 4 {
				return 0
			}
			v := binary.LittleEndian.Uint32(b)
			b = b[4:]
			return v
		}
		ring, err := mapped.Anon(uintptr(1 + ringSize%(1<<16)))
		require.NoError(t, err)
		defer ring.Unmap()
		sqes, err := mapped.Anon(uintptr(1 + entriesSize%(1<<16)))
		require.NoError(t, err)
		defer sqes.Unmap()
		p := params{sqEntries: word(), cqEntries: word(), flags: word()}
		p.sqOff = sqOffsets{head: word(), tail: word(), mask: word(), flags: word(), array: word()}
		p.cqOff = cqOffsets{head: word(), tail: word(), mask: word(), flags: word(), overflow: word(), cqes: word()}
		for range 2 {
			r, err := newRings(&p, ring, sqes)
			if err != nil {
				require.ErrorIs(t, err, ErrCorrupt)
			} else {
				use(&r)
			}
			// The masks as they should be, so that the rest is looked at.
			for off, n := range map[uint32]uint32{p.sqOff.mask: p.sqEntries, p.cqOff.mask: p.cqEntries} {
				if uint64(off)+4 <= uint64(ring.Size) {
					binary.LittleEndian.PutUint32(ring.Bytes()[off:], n-1)
				}
			}
		}
	})
}

// use touches all that a ring may touch.
func use(r *rings) {
	for i := range r.sqMask + 1 {
		*r.sqe(i) = sqe{}
	}
	for i := range r.cqMask + 1 {
		*r.cqe(i) = cqe{}
	}
	for _, w := range []interface{ Store(uint32) }{r.sqHead, r.sqTail, r.sqFlags, r.cqHead, r.cqTail, r.cqFlags, r.cqLost} {
		w.Store(1)
	}
}
