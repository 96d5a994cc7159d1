package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/evdengine/evd/bench/rivals/cc"
)

// askTime is how long an answer may take beyond the sample. It guards against a hang.
const askTime = 15 * time.Second

// errGaveUp is of a cell of somebody else's that does not end, or fails: the others go on
// without it.
var errGaveUp = errors.New("left out")

// foreign is the program that has the rivals written in C and C++.
type foreign struct {
	*cc.Process // another one after each that had to be ended
	path        string
	list        cc.List
}

// ask measures. Where there is no answer the program is started again for the next.
func (f *foreign) ask(r cc.Request, timeout time.Duration) (cc.Sample, error) {
	s, err := f.Ask(r, timeout)
	if err != nil {
		_ = f.Close()
		p, again := cc.Start(f.path)
		if again != nil {
			return s, errors.Join(err, again)
		}
		f.Process = p
		err = fmt.Errorf("%w: %w", errGaveUp, err)
	}
	return s, err
}

// startForeign builds and starts it. Without it there is an error that says what has to
// be installed; with less than all of it, as much in missing.
func startForeign(dir string) (f *foreign, missing, err error) {
	path, lacking, err := cc.Build(dir)
	if err != nil {
		return nil, nil, err
	}
	if len(lacking) > 0 {
		missing = fmt.Errorf("some rivals in C++: %s", cc.Advice(lacking))
	}
	p, err := cc.Start(path)
	if err != nil {
		return nil, nil, err
	}
	list, err := p.List(askTime)
	if err != nil {
		_ = p.Close()
		return nil, nil, err
	}
	return &foreign{p, path, list}, missing, nil
}

// cells are what it has of the shapes that ours have too.
func (f *foreign) cells(scale bool) []*cell {
	var out []*cell
	add := func(c id, r cc.Request, cores int) {
		if f.list.Has(r) && (cores == 1 || twoCores()) {
			out = append(out, f.cell(c, r, cores))
		}
	}
	for _, limit := range []string{"cas", "xchg", "cas+xchg", "mutex"} {
		add(id{Shape: "LIMIT", Impl: "c-" + limit}, cc.Request{Impl: limit, Shape: "limit"}, 1)
	}
	add(id{Shape: "ANCHOR", Impl: "c-line"}, cc.Request{Impl: "pingpong", Shape: "limit"}, 2)
	for _, event := range []int{16, 64} {
		add(id{Shape: "LIMIT", Impl: "c-stream", Event: event, Batch: batch}, cc.Request{Impl: fmt.Sprintf("stream%d", event), Shape: "limit"}, 2)
	}
	add(id{Shape: "POLL", Impl: "cpoll"}, cc.Request{Impl: "cpoll", Shape: "poll"}, 1)
	for _, impl := range slices.Sorted(maps.Keys(f.list.Cells)) {
		for _, event := range []int{16, 32, 64} {
			for _, shape := range []string{"U1", "UB", "1P1C", "1P1Cb", "LAT", "2P1C", "2P1Cb", "4P1C", "4P1Cb"} {
				c := id{Shape: shape, Impl: impl, Event: event}
				if strings.HasSuffix(strings.ToUpper(shape), "B") {
					c.Batch = batch
				}
				add(c, cc.Request{Impl: impl, Shape: shape, Event: event, Batch: c.Batch}, coresOf(shape))
			}
		}
		for b := 1; b <= 256; b *= 2 {
			add(id{Shape: growBatch, Impl: impl, Event: 16, Batch: b}, cc.Request{Impl: impl, Shape: "UB", Event: 16, Batch: b}, 1)
		}
		for p := 1; p <= 16 && scale; p++ {
			every := 0
			c := id{Shape: scaling, Impl: impl, Event: 16, Producers: p}
			add(c, cc.Request{Impl: impl, Shape: fmt.Sprintf("%dP1C", p), Event: 16, CPUs: &every}, 1)
			c.Batch = batch
			add(c, cc.Request{Impl: impl, Shape: fmt.Sprintf("%dP1Cb", p), Event: 16, Batch: batch, CPUs: &every}, 1)
		}
	}
	return out
}

// coresOf is 2 for the shapes whose threads are pinned.
func coresOf(shape string) int {
	if strings.HasPrefix(shape, "1P1C") || shape == "LAT" {
		return 2
	}
	return 1
}

func (f *foreign) cell(c id, r cc.Request, cores int) *cell {
	if cpus, err := cpuPair(); cores == 2 && err == nil {
		r.CPU0, r.CPU1 = &cpus[0], &cpus[1]
	}
	return &cell{c, cores, func(target time.Duration) (turn, error) {
		r.MS = float64(target) / float64(time.Millisecond)
		s, err := f.ask(r, target+askTime)
		if err == nil && !s.OK {
			err = fmt.Errorf("%v: the events that came are not those that were sent", c)
		}
		return turn{s.NS, int64(s.NIvCSw)}, err
	}}
}
