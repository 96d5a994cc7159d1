package explore

import (
	"fmt"
	"strconv"
	"strings"
)

// A replay string is the preemption bound (u: none; d: none, and every look a
// turn of its own), a dash, and the decisions: numbers and runs of zeros
// ("3z"), joined by dots. Zeros at the end are left out.

// encode makes a replay string.
func encode(bound int, split bool, picks []uint8) string {
	picks = trim(picks)
	b := "u"
	if split {
		b = "d"
	} else if bound >= 0 {
		b = strconv.Itoa(bound)
	}
	var parts []string
	for i := 0; i < len(picks); i++ {
		if picks[i] != 0 {
			parts = append(parts, strconv.Itoa(int(picks[i])))
			continue
		}
		j := i
		for picks[j] == 0 {
			j++
		}
		parts = append(parts, strconv.Itoa(j-i)+"z")
		i = j - 1
	}
	return b + "-" + strings.Join(parts, ".")
}

// trim leaves out the zeros at the end.
func trim(picks []uint8) []uint8 {
	for len(picks) > 0 && picks[len(picks)-1] == 0 {
		picks = picks[:len(picks)-1]
	}
	return picks
}

// maxReplay bounds the decisions of a replay string.
const maxReplay = 1 << 20

// decode is the inverse of encode.
func decode(s string) (bound int, split bool, picks []uint8, err error) {
	bad := func(part string) (int, bool, []uint8, error) {
		return 0, false, nil, fmt.Errorf("explore: bad replay string %q at %q: allowed is what a failure printed, like 2-17z.1.3z.2", s, part)
	}
	b, rest, ok := strings.Cut(s, "-")
	if !ok {
		return bad(s)
	}
	bound, split = -1, b == "d"
	if b != "u" && !split {
		if bound, err = strconv.Atoi(b); err != nil || bound < 0 {
			return bad(b)
		}
	}
	if rest == "" {
		return bound, split, nil, nil
	}
	for _, part := range strings.Split(rest, ".") {
		num, zeros := strings.CutSuffix(part, "z")
		n, err := strconv.Atoi(num)
		switch {
		case err != nil || n < 0 || !zeros && n > 255 || zeros && len(picks)+n > maxReplay:
			return bad(part)
		case zeros:
			picks = append(picks, make([]uint8, n)...)
		default:
			picks = append(picks, uint8(n))
		}
	}
	return bound, split, trim(picks), nil
}

// replayFor returns the replay string in a value of ReplayEnv, and the name of
// the scenario that it is for, if that is not the one called name.
func replayFor(env, name string) (replay, other string) {
	i := strings.LastIndexByte(env, '@')
	if i >= 0 && env[:i] != name {
		other = env[:i]
	}
	return env[i+1:], other
}
