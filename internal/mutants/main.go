// Command mutants shows that the explorer's scenarios would notice a mistake:
// it builds the ring, the engine and the mock CQ with one clause of the
// protocol taken out, for each clause in turn, and demands that a scenario
// fails.
//
//	go run ./internal/mutants [-run regexp] [-v] [-budget duration]
//
// The sources stay as they are. All mutations are compiled in at once, by an
// overlay, each behind a condition that the environment variable EVD_MUTANT
// selects: one build for a package, not one for a mutant.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"time"
)

func main() {
	run := flag.String("run", "", "only mutants whose id matches this `regexp`")
	budget := flag.Duration("budget", time.Minute, "time for each mutant")
	verbose := flag.Bool("v", false, "print the output of mutants that survive")
	flag.Parse()
	pick, err := regexp.Compile(*run)
	if err != nil || flag.NArg() > 0 || *budget <= 0 {
		fmt.Fprintln(os.Stderr, "mutants: usage: mutants [-run regexp] [-v] [-budget duration]", err)
		os.Exit(2)
	}
	if err := all(os.Stdout, pick, *budget, *verbose); err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1)
	}
}

// all runs the mutants that match, as many at a time as there are processors.
func all(w io.Writer, match *regexp.Regexp, budget time.Duration, verbose bool) error {
	began := time.Now()
	root, err := moduleRoot()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "mutants")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	var jobs []job
	for _, s := range suites {
		bin, err := s.build(root, dir)
		if err != nil {
			return err
		}
		for _, m := range s.mutants {
			if match.MatchString(m.id) {
				jobs = append(jobs, job{suite: s, mutant: m, bin: bin, dir: filepath.Join(root, s.pkg)})
			}
		}
	}
	if len(jobs) == 0 {
		return fmt.Errorf("bad -run %q: no mutant has such an id", match)
	}
	var mu sync.Mutex
	caught := 0
	var alive []string
	work := make(chan job)
	var wg sync.WaitGroup
	for range runtime.NumCPU() {
		wg.Go(func() {
			for j := range work {
				v := j.run(budget)
				mu.Lock()
				fmt.Fprintf(w, "%-6s %-4s %-9s %-58s %s\n", verdictWord(v.caught), j.mutant.id, j.mutant.clause, j.mutant.what, v)
				if v.caught {
					caught++
				} else {
					alive = append(alive, j.mutant.id)
					if verbose {
						fmt.Fprintf(w, "%s\n", v.output)
					}
				}
				mu.Unlock()
			}
		})
	}
	for _, j := range jobs {
		work <- j
	}
	close(work)
	wg.Wait()
	fmt.Fprintf(w, "mutants: %d of %d caught, %.0f s\n", caught, len(jobs), time.Since(began).Seconds())
	if len(alive) > 0 {
		return fmt.Errorf("not caught: %v", alive)
	}
	return nil
}

func verdictWord(caught bool) string {
	if caught {
		return "caught"
	}
	return "ALIVE"
}

// job is a mutant to run.
type job struct {
	suite    suite
	mutant   mutant
	bin, dir string
}

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
	execRE = regexp.MustCompile(`(?m)^.*: (\S+): (\d+) executions`)
	passRE = regexp.MustCompile(`(?m)^\s*--- PASS: (\S+)`)
)

// unitBudget is for tests that are no scenarios: a mutant may make them hang.
const unitBudget = 10 * time.Second

// run runs the scenarios of a mutant until one fails.
func (j job) run(budget time.Duration) (v verdict) {
	began := time.Now()
	unit := strings.HasPrefix(j.mutant.tests, "^")
	if unit {
		budget = unitBudget
	}
	ctx, cancel := context.WithTimeout(context.Background(), budget)
	defer cancel()
	cmd := exec.CommandContext(ctx, j.bin, "-test.v", "-test.failfast", "-test.run", j.suite.pattern(j.mutant.tests))
	cmd.Dir = j.dir
	cmd.Env = append(os.Environ(), "EVD_MUTANT="+j.mutant.id, "GOMAXPROCS=1")
	out, err := cmd.CombinedOutput()
	v.took, v.output = time.Since(began), out
	fails := failRE.FindAllSubmatch(out, -1)
	switch {
	case ctx.Err() != nil && unit:
		return verdict{caught: true, test: j.mutant.tests, reason: "hangs", executions: "1 execution", took: v.took}
	case ctx.Err() != nil:
		v.reason = "no verdict in time"
		return v
	case err == nil && !execRE.Match(out) && !(unit && passRE.Match(out)):
		v.reason = "no test matches " + j.suite.pattern(j.mutant.tests)
		return v
	case err == nil:
		v.reason = "survived " + j.mutant.tests
		return v
	case len(fails) == 0:
		v.reason = "the test binary failed without a failing test: " + err.Error()
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

// moduleRoot is where go.mod is.
func moduleRoot() (string, error) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return "", fmt.Errorf("go list -m: %w", err)
	}
	return string(out[:len(out)-1]), nil
}
