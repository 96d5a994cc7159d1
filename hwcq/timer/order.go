package timer

// heap has the running timers, the one due first in front. The slots know
// their places. (container/heap would allocate for each push.)
type heap []uint32

func (h heap) less(s []slot, a, b int) bool {
	x, y := &s[h[a]], &s[h[b]]
	if x.when.Equal(y.when) {
		return x.serial < y.serial
	}
	return x.when.Before(y.when)
}

func (h heap) swap(s []slot, a, b int) {
	h[a], h[b] = h[b], h[a]
	s[h[a]].at, s[h[b]].at = a, b
}

func (h *heap) push(s []slot, i uint32) {
	*h = append(*h, i)
	s[i].at = len(*h) - 1
	h.up(s, len(*h)-1)
}

// remove takes out what is at a.
func (h *heap) remove(s []slot, a int) {
	last := len(*h) - 1
	h.swap(s, a, last)
	s[(*h)[last]].at = -1
	*h = (*h)[:last]
	if a < last {
		h.down(s, a)
		h.up(s, a)
	}
}

func (h heap) up(s []slot, a int) {
	for a > 0 && h.less(s, a, (a-1)/2) {
		h.swap(s, a, (a-1)/2)
		a = (a - 1) / 2
	}
}

func (h heap) down(s []slot, a int) {
	for {
		least := a
		for _, child := range [2]int{2*a + 1, 2*a + 2} {
			if child < len(h) && h.less(s, child, least) {
				least = child
			}
		}
		if least == a {
			return
		}
		h.swap(s, a, least)
		a = least
	}
}

// fifo is a queue of slots: never more than there are.
type fifo struct {
	of       []uint32
	first, n int
}

func (f *fifo) push(i uint32) {
	f.of[(f.first+f.n)%len(f.of)] = i
	f.n++
}

func (f *fifo) pop() uint32 {
	i := f.of[f.first]
	f.first = (f.first + 1) % len(f.of)
	f.n--
	return i
}
