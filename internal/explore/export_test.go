package explore

// Encode makes a replay string.
func Encode(bound int, picks []int) string {
	p := make([]uint8, len(picks))
	for i, n := range picks {
		p[i] = uint8(n)
	}
	return encode(bound, false, p)
}

// NewSeen makes an empty table of states.
func NewSeen() *seen { return newSeen() }

// Visit notes a state.
func (s *seen) Visit(key uint64, left uint8) bool { return s.visit(key, left) }
