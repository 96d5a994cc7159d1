package cqtest

import (
	"slices"
	"strings"
	"testing"

	"github.com/evdengine/evd/hwcq"
)

// property is one subtest.
type property struct {
	name  string
	where string // who promises it
	check func(x *x)
	needs func(b *Bed) bool // nil: nothing
}

// properties are all of them.
func properties() []property {
	return slices.Concat(pollProperties, armProperties, sourceProperties, notifyProperties, faultProperties, closeProperties, boundProperties, loadProperties)
}

// Run checks every property of the driver's CQ, each in a subtest on CQs of
// its own. It must not run in parallel with other tests: it counts
// allocations, descriptors and goroutines of the process.
func Run(t *testing.T, d Driver) {
	t.Helper()
	plan, untested, err := plan(d)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range untested {
		t.Log(s)
	}
	for _, p := range plan {
		t.Run(p.name, func(t *testing.T) {
			why, excepted := d.Except[p.name]
			failures := verify(d.patient(!excepted), p)
			if excepted {
				t.Logf("this CQ is excepted: %s\nwhat was found: %s", why, strings.Join(failures, "\n"))
				return
			}
			for _, f := range failures {
				t.Errorf("%s\npromised by %s", f, p.where)
			}
		})
	}
}

// plan opens one CQ to see what can be checked.
func plan(d Driver) (todo []property, untested []string, err error) {
	all := properties()
	for name := range d.Except {
		if !slices.ContainsFunc(all, func(p property) bool { return p.name == name }) {
			return nil, nil, errorf("Driver.Except names %q, which is no property", name)
		}
	}
	if d.Open == nil {
		return nil, nil, errorf("Driver.Open is nil")
	}
	b, err := d.Open(1)
	if err != nil {
		return nil, nil, errorf("Driver.Open(1): %w", err)
	}
	if b == nil || b.CQ == nil || b.Complete == nil {
		return nil, nil, errorf("Driver.Open: the Bed needs a CQ and Complete")
	}
	if err := b.agree(b.CQ.Capabilities()); err != nil {
		return nil, nil, err
	}
	if lacks := b.lacks(); len(lacks) > 0 {
		slices.Sort(lacks)
		untested = append(untested, "the bed has no "+strings.Join(lacks, ", "))
	}
	for _, p := range all {
		if p.needs != nil && !p.needs(b) {
			untested = append(untested, "not for this CQ: "+p.name)
			continue
		}
		todo = append(todo, p)
	}
	for _, f := range []func() error{b.Quiesce, b.CQ.Close, b.Release} {
		if f != nil {
			if err := f(); err != nil {
				return nil, nil, errorf("closing the CQ: %w", err)
			}
		}
	}
	return todo, untested, nil
}

// bound tells whether a CQ belongs to a thread.
func bound(cq hwcq.CQ) hwcq.ThreadBound {
	if b, ok := cq.(hwcq.ThreadBound); ok && b.ThreadBound() {
		return b
	}
	return nil
}
