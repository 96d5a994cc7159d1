package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"time"
)

// rxeCells poll an empty CQ of package hwcq/rxe, over memory laid out as the kernel's.
// No program can make such a CQ without a device, but the package's test can, and has
// benchmarks for it: each sample is one run of the test's binary.
func rxeCells(binary string) ([]*cell, error) {
	if binary == "" {
		return nil, errors.New("polls of an empty rxe CQ: no test binary of hwcq/rxe, see -rxe")
	}
	if _, err := exec.LookPath(binary); err != nil {
		return nil, fmt.Errorf("polls of an empty rxe CQ: the test binary of hwcq/rxe: %w", err)
	}
	return []*cell{
		benchmark(id{Shape: "POLL", Impl: "evd-rxe"}, binary, "BenchmarkCQPollEmpty"),
		benchmark(id{Shape: "POLL", Impl: "only-the-call"}, binary, "BenchmarkCQPollNothing"),
	}, nil
}

// benchmark is a cell of a benchmark in a test's binary, which reports its involuntary
// context switches as nivcsw.
func benchmark(c id, binary, name string) *cell {
	n := 100_000
	return &cell{c, 1, func(target time.Duration) (turn, error) {
		ctx, cancel := context.WithTimeout(context.Background(), hung)
		defer cancel()
		out, err := exec.CommandContext(ctx, binary, "-test.run", "^$", "-test.bench", "^"+name+"$", "-test.benchtime", fmt.Sprintf("%dx", n)).CombinedOutput()
		if err != nil {
			return turn{}, fmt.Errorf("%v: %s: %w\n%s", c, binary, err, out)
		}
		t, err := parseBenchmark(string(out))
		if err != nil {
			return turn{}, fmt.Errorf("%v: %w", c, err)
		}
		n = min(max(int(float64(target.Nanoseconds())/t.ns), 1000), 100_000_000)
		return t, nil
	}}
}

var (
	perOp    = regexp.MustCompile(`\s([0-9.]+) ns/op`)
	switched = regexp.MustCompile(`\s([0-9.]+) nivcsw`)
)

// parseBenchmark reads the line of a benchmark.
func parseBenchmark(out string) (t turn, err error) {
	ns, sw := perOp.FindStringSubmatch(out), switched.FindStringSubmatch(out)
	if ns == nil || sw == nil {
		return t, fmt.Errorf("no line with ns/op and nivcsw in %q", out)
	}
	if t.ns, err = strconv.ParseFloat(ns[1], 64); err != nil || t.ns <= 0 {
		return t, fmt.Errorf("no time in %q", out)
	}
	n, err := strconv.ParseFloat(sw[1], 64)
	t.disturbed = int64(n)
	return t, err
}
