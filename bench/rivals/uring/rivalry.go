//go:build linux

package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

const (
	serverCPU = "0" // and the NOPs
	clientCPU = "1"
	conns     = "16"
)

// rivalry is one comparison: everybody has his turn in each round, so that whatever
// else the machine does concerns all of them.
type rivalry struct {
	dir    string
	rounds int
	count  int
	time   time.Duration
	self   string
}

// contest is something that several programs do; the first is ours.
type contest struct {
	name    string
	unit    string
	parties []party
	goals   []goal
	turns   [][]turn // of each party, of each round
}

// turn is what somebody did: so many things a second, and the CPU time of each, in ns; 0
// if it is not known.
type turn struct{ rate, cpu float64 }

// party is one who takes part: run is a turn of his, beside is the party to compare
// with.
type party struct {
	name   string
	beside int
	run    func() (turn, error)
}

// goal is what ours must reach: need times the rate of party rival.
type goal struct {
	name        string
	ours, rival int
	need        float64
}

func (r *rivalry) run() (err error) {
	if r.self, err = os.Executable(); err != nil {
		return err
	}
	fmt.Print(machine())
	fmt.Printf("%d rounds in turn, servers and NOPs on CPU %s, the client on CPU %s; medians, and the median of each round's ratio\n\n", r.rounds, serverCPU, clientCPU)
	var all []*contest
	for _, batch := range []int{1, 32, 128} {
		all = append(all, r.nopContest(batch))
	}
	all = append(all, r.echoContest())
	for i := range r.rounds {
		for _, c := range all {
			if err := c.round(i); err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
		}
	}
	for _, c := range all {
		c.print()
	}
	for _, c := range all {
		c.printGoals()
	}
	return nil
}

func (r *rivalry) nopContest(batch int) *contest {
	count := r.count
	if batch > 1 {
		count *= 4
	}
	nop := func(name string, beside int, program, flags string) party {
		args := []string{program, "nop", flags, strconv.Itoa(batch), strconv.Itoa(count)}
		if program != r.self {
			args = append(args[:1], args[2:]...)
		}
		return party{name, beside, func() (turn, error) { return measure(serverCPU, float64(count), args...) }}
	}
	c, title := filepath.Join(r.dir, "nop"), fmt.Sprintf("nop-%d", batch)
	return &contest{
		name: title, unit: "completions/s",
		parties: []party{nop("evd-owner", 1, r.self, "owner"), nop("c-defer", 1, c, "defer"), nop("evd-portable", 3, r.self, "portable"), nop("c-plain", 3, c, "plain")},
		goals:   []goal{{title, 0, 1, 0.95}},
	}
}

func (r *rivalry) echoContest() *contest {
	server := func(name string, args ...string) party {
		return party{name, 1, func() (turn, error) { return r.serve(args...) }}
	}
	example := filepath.Join(r.dir, "evd-echo")
	return &contest{
		name: "echo", unit: "messages/s",
		parties: []party{
			server("evd", r.self, "echo"),
			server("c", filepath.Join(r.dir, "echo")),
			server("net", r.self, "net"),
			server("evd-example-owner", example, "-shape", "owner", "-addr", "127.0.0.1:0"),
			server("evd-example-portable", example, "-shape", "portable", "-addr", "127.0.0.1:0"),
		},
		goals: []goal{{"echo-net", 0, 2, 1.3}, {"echo-c", 0, 1, 0.95}},
	}
}

// pinned is a command on one CPU.
func pinned(ctx context.Context, cpu string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "taskset", append([]string{"-c", cpu}, args...)...)
	cmd.Stderr = os.Stderr
	return cmd
}

// measure runs a program that does something count times, and prints a rate.
func measure(cpu string, count float64, args ...string) (t turn, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	cmd := pinned(ctx, cpu, args...)
	out, err := cmd.Output()
	if err != nil {
		return t, fmt.Errorf("%s: %w", strings.Join(args, " "), err)
	}
	if count > 0 {
		t.cpu = float64(cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime()) / count
	}
	t.rate, err = strconv.ParseFloat(string(bytes.TrimSpace(out)), 64)
	return t, err
}

// serve runs a server that prints its port, and the client beside it.
func (r *rivalry) serve(args ...string) (t turn, err error) {
	ctx, cancel := context.WithCancel(context.Background())
	cmd := pinned(ctx, serverCPU, args...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		cancel()
		return t, err
	}
	if err := cmd.Start(); err != nil {
		cancel()
		return t, err
	}
	defer func() {
		cancel()       // kills it
		_ = cmd.Wait() // says that it was killed
	}()
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return t, fmt.Errorf("%s: its first line, with its port: %w", strings.Join(args, " "), err)
	}
	line = strings.TrimSpace(line)
	port := line[strings.LastIndexAny(line, ": ")+1:]
	return measure(clientCPU, 0, filepath.Join(r.dir, "client"), port, conns, fmt.Sprint(r.time.Seconds()))
}
