package host

import (
	"strconv"
	"strings"
)

var loadChecks = []check{
	{"load", load},
	{"steal", steal},
}

// times are the first line of /proc/stat, in ticks.
type times struct{ total, busy, steal float64 }

// Columns of the first line of /proc/stat (proc(5)).
const (
	colIdle, colIOWait = 3, 4
	colSteal           = 7
	colGuest           = 8 // from here on: contained in the others
)

func (x *exam) times() (t times, ok bool) {
	line, _, _ := strings.Cut(x.root.Text("proc/stat"), "\n")
	f := strings.Fields(line)
	if len(f) < colSteal+2 || f[0] != "cpu" {
		return t, false
	}
	for i, s := range f[1:] {
		v, err := strconv.ParseFloat(s, 64)
		if err != nil {
			return t, false
		}
		if i >= colGuest {
			break
		}
		t.total += v
		switch i {
		case colIdle, colIOWait:
		case colSteal:
			t.steal = v
		default:
			t.busy += v
		}
	}
	return t, true
}

// during is what happened in a pause. It is taken once.
func (x *exam) during() (t times, ok bool) {
	if x.Pause == nil {
		return t, false
	}
	if x.seen == nil {
		a, ok1 := x.times()
		x.Pause()
		b, ok2 := x.times()
		x.seen = &times{b.total - a.total, b.busy - a.busy, b.steal - a.steal}
		if !ok1 || !ok2 {
			x.seen.total = 0
		}
	}
	return *x.seen, x.seen.total > 0
}

func load(x *exam) Finding {
	average, _, _ := strings.Cut(x.root.Text("proc/loadavg"), " ")
	t, known := x.during()
	switch {
	case !known && average == "":
		return x.unseen("load")
	case !known:
		return note("load average %s", average)
	}
	text := percent(t.busy, t.total) + " of all CPUs busy without this process, load average " + average
	fix := "end what else runs (top shows it), or keep it off: taskset, cgroups, --pin and --prio"
	switch share := t.busy / t.total; {
	case share > 0.5:
		return fail("%s: what is measured waits for the others", text).fix("%s", fix)
	case share > 0.1:
		return warn("%s", text).fix("%s", fix)
	}
	return ok("%s", text)
}

func steal(x *exam) Finding {
	t, known := x.during()
	if !known {
		return x.unseen("stolen time is")
	}
	text := percent(t.steal, t.total) + " of the time is stolen by the hypervisor"
	switch share := t.steal / t.total; {
	case share > 0.05:
		return fail("%s", text).fix("an instance with CPUs of its own, or another time of the day")
	case share > 0.005:
		return warn("%s", text).fix("an instance with CPUs of its own, or another time of the day")
	}
	return ok("no time is stolen by a hypervisor")
}
