package explore

// Encode makes a replay string.
func Encode(bound int, picks []int) string {
	p := make([]uint8, len(picks))
	for i, n := range picks {
		p[i] = uint8(n)
	}
	return encode(bound, false, p)
}
