package cc

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"strconv"
	"time"
)

// Benchmarks of hwcq/rxe to sample beside the program's cpoll.
const (
	PollEmpty   = "BenchmarkCQPollEmpty"   // a poll of our soft-RoCE CQ, empty, over memory laid out as the kernel's
	PollNothing = "BenchmarkCQPollNothing" // a CQ whose Poll does nothing: what the call costs
)

// Poll takes one sample, of about ms milliseconds, of a benchmark in the test binary of
// hwcq/rxe, as `go test -c -o BINARY ./hwcq/rxe` makes it: only there can a CQ be had
// without a device. It measures through hwcq.CQ, as the engine polls.
func Poll(binary, benchmark string, ms float64, timeout time.Duration) (Sample, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, "-test.run=^$", "-test.bench=^"+benchmark+"$",
		"-test.benchtime="+time.Duration(ms*1e6).String())
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	if err != nil {
		return Sample{}, fmt.Errorf("%s of %s: %w\n%s", benchmark, binary, err, out)
	}
	return benchLine(out, benchmark)
}

// benchLine finds the benchmark's line: its name, iterations, and values with units.
func benchLine(out []byte, benchmark string) (Sample, error) {
	for line := range bytes.Lines(out) {
		f := bytes.Fields(line)
		if len(f) < 4 || !bytes.HasPrefix(f[0], []byte(benchmark)) {
			continue
		}
		s, found := Sample{OK: true}, false
		var err error
		if s.N, err = strconv.Atoi(string(f[1])); err != nil {
			return Sample{}, fmt.Errorf("%s: %q: %w", benchmark, line, err)
		}
		for i := 2; i+1 < len(f); i += 2 {
			v, err := strconv.ParseFloat(string(f[i]), 64)
			if err != nil {
				return Sample{}, fmt.Errorf("%s: %q: %w", benchmark, line, err)
			}
			switch string(f[i+1]) {
			case "ns/op":
				s.NS, found = v, true
			case "nivcsw":
				s.NIvCSw = int(v)
			}
		}
		if found {
			return s, nil
		}
	}
	return Sample{}, fmt.Errorf("%s: no result in %q", benchmark, out)
}
