package explore

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// ReplayEnv is the environment variable that makes Test and MustFail replay
// one execution: a replay string, or name@string for the scenario of that
// name only. A replay that passes, and a scenario of another name, count as
// skipped: neither was searched.
const ReplayEnv = "EVD_EXPLORE_REPLAY"

// Test explores a scenario and fails t with reason, replay string and trace
// at the first failure, or when the search was not complete (see
// Options.AllowIncomplete). The environment can ask for another search, see
// OverrideEnv.
func Test(t testing.TB, o Options, body func(x *X)) Result {
	t.Helper()
	o, err := o.Override(os.Getenv(OverrideEnv))
	if err != nil {
		t.Fatal(err)
	}
	given := o.Replay
	o, res := explore(t, o, body)
	switch {
	case res.Failure != nil:
		t.Fatal(report(o, res.Failure))
	case o.Replay != given:
		t.Skipf("%s: the replay of %s passes: one execution, not a search\n%s", o.Name, ReplayEnv, res.Trace)
	case o.Replay != "":
		t.Logf("the replay passes\n%s", res.Trace)
	case !o.sampling() && !res.Complete && !o.AllowIncomplete:
		t.Fatalf("%s: not complete after %d executions: raise MaxExecutions, lower Preemptions, make the scenario smaller, or set AllowIncomplete",
			o.Name, res.Executions)
	}
	return res
}

// MustFail explores a scenario and fails t if no failure is found: for seeded
// bugs and for orders known to be wrong.
func MustFail(t testing.TB, o Options, body func(x *X)) Result {
	t.Helper()
	o, res := explore(t, o, body)
	switch {
	case res.Failure == nil && o.Replay != "":
		t.Fatalf("%s: the replay passes\n%s", o.Name, res.Trace)
	case res.Failure == nil:
		t.Fatalf("%s: no failure found in %d executions (complete: %v); the bug must be found", o.Name, res.Executions, res.Complete)
	case o.Replay != "":
		t.Log(report(o, res.Failure))
	default:
		reason, _, _ := strings.Cut(res.Failure.Reason, "\n")
		t.Logf("found: %s; %s=%s@%s", reason, ReplayEnv, o.Name, res.Failure.Replay)
	}
	return res
}

func explore(t testing.TB, o Options, body func(x *X)) (Options, Result) {
	t.Helper()
	if o.Name == "" {
		o.Name = t.Name()
	}
	if env := os.Getenv(ReplayEnv); env != "" && o.Replay == "" {
		s, other := replayFor(env, o.Name)
		if other != "" {
			t.Skipf("%s: not searched: %s is for %s", o.Name, ReplayEnv, other)
		}
		if s == "" {
			t.Fatalf("%s: bad %s %q: allowed are a replay string and name@string", o.Name, ReplayEnv, env)
		}
		o.Replay = s
	}
	res := search(o, body, func(f *Failure) {
		f.Reason = "the test was ended from inside the scenario"
		t.Log(report(o, f))
	})
	if s := res.Elapsed.Seconds(); s > 0 {
		t.Logf("%s: %d executions %s%s, %d steps, %v, %.0f executions/s", o.Name, res.Executions, how(o), bounds(res.Bounds),
			res.Steps, res.Elapsed.Round(time.Millisecond), float64(res.Executions)/s)
	}
	return o, res
}

// how names the search if it is not the usual one.
func how(o Options) string {
	if o.Search == DFS {
		return ""
	}
	return "by " + o.Search.String() + " "
}

func bounds(b []int) string {
	if len(b) < 2 {
		return ""
	}
	parts := make([]string, len(b))
	for i, n := range b {
		parts[i] = fmt.Sprintf("%d: %d", i, n)
	}
	return "(by bound " + strings.Join(parts, ", ") + ")"
}

// report is a failure with instructions.
func report(o Options, f *Failure) string {
	s := f.Error()
	if f.Replay != "" {
		s += fmt.Sprintf("\nto replay: %s='%s@%s'", ReplayEnv, o.Name, f.Replay)
	}
	return s
}
