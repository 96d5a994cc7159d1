// Command mutants shows that the explorer's scenarios would notice a mistake:
// it builds the ring, the engine, the mock CQ and io_uring's with one clause of the
// protocol taken out, for each clause in turn, and demands that a scenario
// fails, one that passes without the mistake.
//
//	go run ./internal/mutants [-run regexp] [-v] [-budget duration]
//
// The sources stay as they are. All mutations are compiled in at once, by an
// overlay, each behind a condition that the environment variable EVD_MUTANT
// selects: one build for a package, not one for a mutant.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
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

// all runs the mutants that match.
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
	bins, errs := make([]string, len(suites)), make([]error, len(suites))
	parallel(len(suites), runtime.NumCPU(), func(i int) { bins[i], errs[i] = suites[i].build(root, dir) })
	if err := errors.Join(errs...); err != nil {
		return err
	}
	var jobs []job
	for i, s := range suites {
		for _, m := range s.mutants {
			if match.MatchString(m.id) {
				jobs = append(jobs, job{suite: s, mutant: m, bin: bins[i], dir: filepath.Join(root, s.pkg)})
			}
		}
	}
	if len(jobs) == 0 {
		return fmt.Errorf("bad -run %q: no mutant has such an id", match)
	}
	n, err := baseline(jobs)
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "baseline: %d tests pass without a mutant, %.0f s with building\n", n, time.Since(began).Seconds())
	var mu sync.Mutex
	caught := 0
	var alive []string
	each(jobs, func(j job) {
		v := j.run(budget)
		mu.Lock()
		defer mu.Unlock()
		fmt.Fprintf(w, "%-6s %-4s %-9s %-58s %s\n", verdictWord(v.caught), j.mutant.id, j.mutant.clause, j.mutant.what, v)
		if v.caught {
			caught++
			return
		}
		alive = append(alive, j.mutant.id)
		if verbose {
			fmt.Fprintf(w, "%s\n", v.output)
		}
	})
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

// moduleRoot is where go.mod is.
func moduleRoot() (string, error) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return "", fmt.Errorf("go list -m: %w", err)
	}
	return string(out[:len(out)-1]), nil
}
