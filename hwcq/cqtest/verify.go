package cqtest

import "time"

// Result is what became of one property.
type Result struct {
	Property string        // its name, which is that of the subtest of Run
	Promise  string        // who promises it
	Rounds   int           // how often what is repeated was; 0: nothing is
	Failures []string      // what was found; empty: it holds
	Excepted string        // the reason that Driver.Except gives
	Took     time.Duration // for it
}

// OK tells whether the property holds, or is known not to.
func (r Result) OK() bool { return len(r.Failures) == 0 || r.Excepted != "" }

// Verify is Run for a program that is no test: it checks every property of the
// driver's CQ and hands each result to report, until report returns false. untested
// says what this CQ has not. An error is about a driver with which nothing could be
// checked.
//
// As Run it must not be called beside anything else in the process that allocates,
// or opens descriptors.
func Verify(d Driver, report func(Result) bool) (untested []string, err error) {
	todo, untested, err := plan(d)
	if err != nil {
		return nil, err
	}
	for _, p := range todo {
		why, excepted := d.Except[p.name]
		began := time.Now()
		failures, rounds := verifyRounds(d.patient(!excepted), p)
		if !report(Result{p.name, p.where, rounds, failures, why, time.Since(began)}) {
			break
		}
	}
	return untested, nil
}

// Properties lists the names of all properties, in the order in which they are
// checked.
func Properties() (names []string) {
	for _, p := range properties() {
		names = append(names, p.name)
	}
	return names
}
