// Package tune makes a host hold still for a measurement: the garbage collector,
// idle states, memory that is swapped out, other threads. All of it is undone
// afterwards.
//
// The package neither prints nor exits.
package tune

import (
	"errors"
	"fmt"
	"math"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/evdengine/evd/internal/param"
)

// ErrRefused: the system does not let this process do it. The errors of Apply say
// what would.
var ErrRefused = errors.New("not permitted here")

// Settings are what a run wants of its host. The zero value wants nothing.
type Settings struct {
	GC     GC
	Memory bool // no page of the process is taken from memory once it has been used
	Prio   Prio // of all threads of the process

	// DMALatency is how long an idle CPU may take to wake up; 0 keeps all CPUs awake.
	// It is asked for only if LimitDMA is set.
	DMALatency time.Duration
	LimitDMA   bool
}

// GC is what the garbage collector is set to. The zero value leaves it alone.
type GC struct {
	Off     bool
	Percent int   // as GOGC; 0: unchanged
	Limit   int64 // bytes, as GOMEMLIMIT; 0: unchanged
}

// ParseGC reads off, percent=N (1..100000) and limit=SIZE (such as 512MiB or 2GiB, 1
// MiB or more), by themselves or with commas between.
func ParseGC(s string) (g GC, err error) {
	bad := func() (GC, error) {
		return GC{}, param.Invalid("tune: ParseGC", "gc", strconv.Quote(s),
			"off or percent=1..100000, and limit=SIZE of 1MiB or more, such as off,limit=2GiB")
	}
	for part := range strings.SplitSeq(s, ",") {
		key, value, _ := strings.Cut(part, "=")
		switch {
		case part == "off" && !g.Off && g.Percent == 0:
			g.Off = true
		case key == "percent" && !g.Off && g.Percent == 0:
			n, err := strconv.Atoi(value)
			if err != nil || n < 1 || n > 100_000 {
				return bad()
			}
			g.Percent = n
		case key == "limit" && g.Limit == 0:
			n, ok := parseSize(value)
			if !ok {
				return bad()
			}
			g.Limit = n
		default:
			return bad()
		}
	}
	return g, nil
}

const leastLimit = 1 << 20

func parseSize(s string) (int64, bool) {
	unit := int64(1)
	for _, u := range []struct {
		suffix string
		n      int64
	}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40}, {"B", 1}} {
		if rest, ok := strings.CutSuffix(s, u.suffix); ok {
			s, unit = rest, u.n
			break
		}
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 1 || n > math.MaxInt64/unit || n*unit < leastLimit {
		return 0, false
	}
	return n * unit, true
}

// String is the reverse of ParseGC; "" of the zero value.
func (g GC) String() string {
	var parts []string
	if g.Off {
		parts = append(parts, "off")
	}
	if g.Percent != 0 {
		parts = append(parts, "percent="+strconv.Itoa(g.Percent))
	}
	if g.Limit != 0 {
		size := strconv.FormatInt(g.Limit, 10) + "B"
		for _, u := range []struct {
			suffix string
			n      int64
		}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
			if g.Limit%u.n == 0 {
				size = strconv.FormatInt(g.Limit/u.n, 10) + u.suffix
				break
			}
		}
		parts = append(parts, "limit="+size)
	}
	return strings.Join(parts, ",")
}

// Prio is a policy of the system's scheduler. The zero value leaves it alone.
type Prio struct {
	Policy string // "fifo", "rr"
	Level  int    // 1..99
}

// ParsePrio reads fifo:1..99 or rr:1..99.
func ParsePrio(s string) (Prio, error) {
	policy, level, _ := strings.Cut(s, ":")
	n, err := strconv.Atoi(level)
	if policy != "fifo" && policy != "rr" || err != nil || n < 1 || n > 99 {
		return Prio{}, param.Invalid("tune: ParsePrio", "prio", strconv.Quote(s), "fifo:1..99 or rr:1..99, such as fifo:10")
	}
	return Prio{policy, n}, nil
}

// String is the reverse of ParsePrio; "" of the zero value.
func (p Prio) String() string {
	if p.Policy == "" {
		return ""
	}
	return p.Policy + ":" + strconv.Itoa(p.Level)
}

// Apply does what s wants, and returns what undoes it, to be called once. After an
// error nothing has changed. Errors match ErrRefused or hwcq.ErrNotSupported.
func (s Settings) Apply() (restore func(), err error) {
	var undo []func()
	restore = func() {
		for i := len(undo) - 1; i >= 0; i-- {
			undo[i]()
		}
	}
	for _, x := range []struct {
		what   string
		wanted bool
		do     func() (func(), error)
	}{
		{"gc", s.GC != GC{}, s.GC.apply},
		{"prio = " + s.Prio.String(), s.Prio != Prio{}, s.Prio.apply},
		{"lock-memory", s.Memory, lockMemory},
		{"cpu-dma-latency", s.LimitDMA, func() (func(), error) { return limitDMA(s.DMALatency) }},
	} {
		if !x.wanted {
			continue
		}
		back, err := x.do()
		if err != nil {
			restore()
			return nil, fmt.Errorf("%s: %w", x.what, err)
		}
		undo = append(undo, back)
	}
	return restore, nil
}

func (g GC) apply() (func(), error) {
	percent, limit := 0, int64(0)
	switch {
	case g.Off:
		percent = debug.SetGCPercent(-1)
	case g.Percent != 0:
		percent = debug.SetGCPercent(g.Percent)
	}
	if g.Limit != 0 {
		limit = debug.SetMemoryLimit(g.Limit)
	}
	return func() {
		if g.Off || g.Percent != 0 {
			debug.SetGCPercent(percent)
		}
		if g.Limit != 0 {
			debug.SetMemoryLimit(limit)
		}
	}, nil
}

// refused words an error of the system, and what it needs.
func refused(err error, needs string) error {
	return fmt.Errorf("%w: %w: it needs %s", ErrRefused, err, needs)
}
