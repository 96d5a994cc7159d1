package main

import (
	"fmt"
	"regexp"
	"time"
)

// verdict says how a mutant fared.
type verdict struct {
	caught     bool
	test       string
	reason     string
	executions string
	took       time.Duration
	output     []byte
}

func (v verdict) String() string {
	if !v.caught {
		return fmt.Sprintf("%s (%.1f s)", v.reason, v.took.Seconds())
	}
	return fmt.Sprintf("%s after %s: %s (%.1f s)", v.test, v.executions, v.reason, v.took.Seconds())
}

var (
	failRE = regexp.MustCompile(`(?m)^\s*--- FAIL: (\S+)`)
	passRE = regexp.MustCompile(`(?m)^\s*--- PASS: (\S+)`)
	execRE = regexp.MustCompile(`(?m)^.*: (\S+): (\d+) executions`)
	// noVerdictRE is what the explorer says when it fails a scenario for
	// something else than what the scenario looks for: the mutant may have
	// only made it larger, or the scenario may be broken.
	noVerdictRE = regexp.MustCompile(`not complete after \d+ executions|the scenario is not deterministic|` +
		`not deterministic: the replay did not fail|the replay string does not fit`)
)

// judge says what the output of a mutant's tests means. late is that they were
// stopped, err how the process ended.
func judge(tests string, unit bool, out []byte, late bool, err error) (v verdict) {
	v.output = out
	fails := failRE.FindAllSubmatch(out, -1)
	switch why := noVerdictRE.Find(out); {
	case late && unit: // without the mutant they end in half the time, see baseline
		v.caught, v.test, v.reason, v.executions = true, tests, "hangs", "1 execution"
		return v
	case late:
		v.reason = "no verdict in time"
		return v
	case err == nil && !execRE.Match(out) && !(unit && passRE.Match(out)):
		v.reason = "no test matches " + tests
		return v
	case err == nil:
		v.reason = "survived " + tests
		return v
	case len(fails) == 0:
		v.reason = "the test binary failed without a failing test: " + err.Error()
		return v
	case why != nil:
		v.reason = "no verdict: " + string(why)
		return v
	}
	v.caught = true
	v.test = string(fails[len(fails)-1][1]) // the innermost one comes last
	v.executions, v.reason = "1 execution", "fails"
	for _, m := range execRE.FindAllSubmatch(out, -1) {
		v.test, v.executions = string(m[1]), string(m[2])+" executions"
	}
	if m := regexp.MustCompile(`(?m): `+regexp.QuoteMeta(v.test)+`: (.*)$`).FindAllSubmatch(out, -1); m != nil {
		v.reason = string(m[len(m)-1][1])
	}
	if len(v.reason) > 90 {
		v.reason = v.reason[:90] + ".."
	}
	return v
}
