package vm

import (
	"bytes"
	"errors"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

type cpioEntry struct {
	name string
	mode int
	data string
}

// readCpio is an independent reader of the newc format.
func readCpio(t *testing.T, b []byte) []cpioEntry {
	t.Helper()
	var out []cpioEntry
	for {
		require.GreaterOrEqual(t, len(b), 110)
		require.Equal(t, "070701", string(b[:6]))
		field := func(i int) int {
			n, err := strconv.ParseUint(string(b[6+8*i:14+8*i]), 16, 32)
			require.NoError(t, err)
			return int(n)
		}
		mode, size, namesize := field(1), field(6), field(11)
		nameEnd := 110 + namesize
		require.Equal(t, byte(0), b[nameEnd-1])
		name := string(b[110 : nameEnd-1])
		dataAt := (nameEnd + 3) &^ 3
		data := string(b[dataAt : dataAt+size])
		b = b[(dataAt+size+3)&^3:]
		if name == "TRAILER!!!" {
			require.Empty(t, b)
			return out
		}
		out = append(out, cpioEntry{name, mode, data})
	}
}

func TestCpioRoundTrip(t *testing.T) {
	want := []cpioEntry{{"d", cpioDir, ""}, {"d/e", cpioFile, ""}}
	for n := range 9 { // every alignment of name and data
		want = append(want, cpioEntry{"d/" + "nnnnnnnnn"[:n+1], cpioExec, "ddddddddd"[:n]})
	}
	var buf bytes.Buffer
	c := &cpioWriter{w: &buf}
	for _, e := range want {
		c.add(e.name, e.mode, []byte(e.data))
	}
	require.NoError(t, c.close())
	require.Equal(t, want, readCpio(t, buf.Bytes()))
}

type failAfter struct{ n int }

var errFull = errors.New("full")

func (f *failAfter) Write(p []byte) (int, error) {
	if f.n--; f.n < 0 {
		return 0, errFull
	}
	return len(p), nil
}

func TestCpioKeepsFirstError(t *testing.T) {
	for n := range 4 {
		c := &cpioWriter{w: &failAfter{n}}
		c.add("a", cpioFile, []byte("x"))
		c.add("b", cpioFile, []byte("y"))
		require.ErrorIs(t, c.close(), errFull, "after %d writes", n)
	}
}
