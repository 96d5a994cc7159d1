//go:build linux && (amd64 || arm64)

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
)

// Where the peers of a turn meet: the address of the guest's device, and the ports on
// which the programs listen.
const (
	address  = "10.99.0.1"
	pingPort = 18515 // ibv_rc_pingpong, ib_send_bw and, by choice, evdbench
	datPort  = 15828 // dtest, for connections of the first dat.conf line below
	size     = 64    // bytes a message
)

// programs makes turns of the programs that are compared.
type programs struct {
	evdbench string
	dev      string
	count    int // round trips a turn
}

// pingPong is ibv_rc_pingpong, us per round trip. It averages over all of them, the
// first included.
func (p *programs) pingPong(flags ...string) func(context.Context) (float64, error) {
	args := append([]string{"ibv_rc_pingpong", "-d", p.dev, "-g", "1", "-s", strconv.Itoa(size), "-n", strconv.Itoa(p.count), "-p", strconv.Itoa(pingPort)}, flags...)
	return func(ctx context.Context) (float64, error) {
		out, err := pair(ctx, pingPort, args, with(args, address))
		return find(out, err, `= ([0-9.]+) usec/iter`, 1)
	}
}

// lat is evdbench's ping-pong between two processes, without a warm-up, as the C
// programs do it.
func (p *programs) lat(binary, cq, mode string) func(context.Context) (float64, error) {
	args := []string{binary, "lat", "--cq", cq, "--dev", p.dev, "--mode", mode, "--size", strconv.Itoa(size), "--count", strconv.Itoa(p.count), "--warmup", "0", "-q", "-o", "json"}
	return func(ctx context.Context) (float64, error) {
		out, err := pair(ctx, pingPort, with(args, "--peer-listen", fmt.Sprintf(":%d", pingPort)), with(args, "--peer", fmt.Sprintf("%s:%d", address, pingPort)))
		r, err := decode(out, err)
		return r.PerOp / 1000, err
	}
}

// bw is evdbench's throughput between two queue pairs of one process, messages a second.
// It counts events, of which a message has two.
func (p *programs) bw(binary, cq string, bytes, inFlight, count int) func(context.Context) (float64, error) {
	args := []string{
		binary, "bw", "--cq", cq, "--dev", p.dev, "--mode", "spin", "--size", strconv.Itoa(bytes), "--outstanding", strconv.Itoa(inFlight),
		"--count", strconv.Itoa(2 * count), "--warmup", "0", "-q", "-o", "json",
	}
	return func(ctx context.Context) (float64, error) {
		out, err := command(ctx, args...)
		r, err := decode(out, err)
		return r.Rate / 2, err
	}
}

// sendBW is perftest's, messages a second; every send is signalled, as evdbench's are,
// unless moderation is more than 1.
func (p *programs) sendBW(bytes, inFlight, moderation, count int) func(context.Context) (float64, error) {
	args := []string{
		"ib_send_bw", "-d", p.dev, "-x", "1", "-F", "-s", strconv.Itoa(bytes), "-n", strconv.Itoa(count),
		"-t", strconv.Itoa(inFlight), "-r", strconv.Itoa(inFlight), "-Q", strconv.Itoa(moderation), "-p", strconv.Itoa(pingPort),
	}
	return func(ctx context.Context) (float64, error) {
		out, err := pair(ctx, pingPort, args, with(args, address))
		return find(out, err, fmt.Sprintf(`(?m)^ *%d +%d +[0-9.]+ +[0-9.]+\s+([0-9.]+)\s*$`, bytes, count), 1e6)
	}
}

// provider is the uDAPL provider, over rdma_cm, in datConf.
const provider = "ofa-v2-rxe"

const datConf = provider + ` u2.0 nonthreadsafe default libdaplofa.so.2 dapl.2.0 "dummy0 0" ""` + "\n"

// useDAT tells uDAPL of the device.
func useDAT() error {
	path := filepath.Join(os.TempDir(), "dat.conf")
	if err := os.WriteFile(path, []byte(datConf), 0o644); err != nil {
		return err
	}
	return os.Setenv("DAT_OVERRIDE", path)
}

// dtest is uDAPL's, us per round trip: what it prints is half of one. It plays 100 of
// them, whatever it is told; the bursts, of writes, are of something else.
func (p *programs) dtest(ctx context.Context) (float64, error) {
	args := []string{"dtest", "-P", provider, "-b", strconv.Itoa(size), "-B", "100"}
	out, err := pair(ctx, datPort, args, with(args, "-h", address))
	return find(out, err, `Message PingPong: .* latency ([0-9.]+) us`, 2)
}

// dapltest is uDAPL's transaction test, us per transaction: a send and its answer. It
// prints how many of the two it does in a second.
func (p *programs) dapltest(ctx context.Context) (float64, error) {
	server := []string{"dapltest", "-T", "S", "-D", provider}
	client := []string{"dapltest", "-T", "T", "-s", address, "-D", provider, "-i", strconv.Itoa(p.count), "-t", "1", "-w", "1", "client", "SR", strconv.Itoa(size), "1", "server", "SR", strconv.Itoa(size), "1"}
	quit := []string{"dapltest", "-T", "Q", "-s", address, "-D", provider}
	out, err := served(ctx, server, "Service Point Ready", client, quit)
	v, err := find(out, err, `Total WQE +: +([0-9.]+) WQE/Sec`, 1)
	return 2e6 / v, err
}

func with(args []string, more ...string) []string {
	return append(append([]string{}, args...), more...)
}

// find is a number in what a program printed.
func find(out string, err error, re string, factor float64) (float64, error) {
	if err != nil {
		return 0, err
	}
	m := regexp.MustCompile(re).FindStringSubmatch(out)
	if m == nil {
		return 0, fmt.Errorf("nothing like %q in what it printed:\n%s", re, out)
	}
	v, err := strconv.ParseFloat(m[1], 64)
	if err == nil && v <= 0 {
		err = fmt.Errorf("%v is no figure:\n%s", v, out)
	}
	return v * factor, err
}

// results are those of an evdbench report that are used here.
type results struct {
	PerOp float64 `json:"ns_per_operation"`
	Rate  float64 `json:"per_second"`
}

func decode(out string, err error) (results, error) {
	var r struct {
		Results results `json:"results"`
	}
	if err == nil {
		err = json.Unmarshal([]byte(out), &r)
	}
	if err == nil && (r.Results.PerOp <= 0 || r.Results.Rate <= 0) {
		err = fmt.Errorf("no figures in evdbench's report:\n%s", out)
	}
	return r.Results, err
}

// there is nil if a program can be run.
func there(program, hint string) error {
	if _, err := exec.LookPath(program); err != nil {
		return fmt.Errorf("%w; %s", err, hint)
	}
	return nil
}
