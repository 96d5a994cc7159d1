package ring

import "testing"

// FuzzIndex runs any sequence of operations at any position and capacity: near
// 2^32, near the largest position that fits beside the two bits, and where a
// position is congruent to the number of slots.
func FuzzIndex(f *testing.F) {
	const last = 1<<62 - 1<<16 // room for what a run pushes
	all := []byte{1, 5, 4, 11, 0, 0, 5, 0, 9, 11, 1, 5, 10, 0x24, 2, 7, 4, 9, 7, 0, 6, 1, 12, 0, 9, 11, 9, 11, 12, 0, 15, 0, 0, 0, 8, 0}
	for _, pos := range []uint64{0, 1, 1<<31 - 1, 1 << 31, 1<<32 - 2, 1 << 32, 1<<61 - 1, 1<<62 - 1<<17, last - 1} {
		for _, capacity := range []uint16{0, 1, 2, 3, 4, 6, 7, 8, 255, 256, 511} {
			f.Add(pos, capacity, all)
		}
	}
	f.Fuzz(func(t *testing.T, pos uint64, capacity uint16, ops []byte) {
		pos %= last
		if len(ops) > 4000 {
			ops = ops[:4000]
		}
		r := newAt[uint32](t, int(capacity%512)+1, pos)
		if n := r.Held(); n != 0 || !r.Idle() || r.Accepted() != pos {
			t.Fatalf("a ring at %d holds %d and has accepted %d", pos, n, r.Accepted())
		}
		m := &model{t: t, r: r, pos: pos, given: true}
		m.run(ops)
		if n := r.Held(); n != 0 {
			t.Fatalf("%d held by an empty ring", n)
		}
	})
}

// FuzzNew asks for any capacity that does not take gigabytes.
func FuzzNew(f *testing.F) {
	for _, n := range []int{-1, 0, 1, 2, 3, 1 << 10, 1<<10 + 1, MaxCapacity + 1, -1 << 63, 1<<63 - 1} {
		f.Add(n)
	}
	f.Fuzz(func(t *testing.T, capacity int) {
		if capacity > 1<<16 && capacity <= MaxCapacity {
			return
		}
		r, err := New[byte](capacity)
		if (err == nil) != (capacity >= 1 && capacity <= MaxCapacity) {
			t.Fatalf("capacity %d: %v", capacity, err)
		}
		if err != nil {
			return
		}
		if r.Cap() != capacity || r.size < uint64(capacity) || r.size&r.mask != 0 || r.size >= 2*uint64(capacity) && r.size > 1 {
			t.Fatalf("capacity %d: %d slots, mask %x", capacity, r.size, r.mask)
		}
		if _, st := r.Reserve(capacity); st != OK {
			t.Fatalf("capacity %d: no room for as many", capacity)
		}
	})
}
