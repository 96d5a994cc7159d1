//go:build guest && linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/bench"
	"github.com/evdengine/evd/bench/result"
	"github.com/evdengine/evd/internal/vm"
)

// Runs between two nodes: `make two-nodes`. TestGuest.. boot guests and run on
// the host; the others run in a guest made for them, as jobs of those, and fail
// elsewhere.

// patience is for what must happen in a guest on a busy host.
const patience = 60 * time.Second

// With EVD_AS=evdbench the test binary is the command: both nodes, and whoever
// kills them, are processes of their own.
func init() {
	if os.Getenv("EVD_AS") == "evdbench" {
		main()
	}
}

func needVeth(t *testing.T) {
	t.Helper()
	require.NotEmpty(t, os.Getenv("EVD_RXE_DEV2"), "for a guest with two nodes: make two-nodes")
}

// process is a running evdbench.
type process struct {
	t      *testing.T
	name   string
	cmd    *exec.Cmd
	mu     sync.Mutex
	out    bytes.Buffer // guarded by mu
	errs   bytes.Buffer // guarded by mu
	exited chan int
	began  time.Time
}

type locked struct {
	mu *sync.Mutex
	b  *bytes.Buffer
}

func (l locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func startProcess(t *testing.T, args ...string) *process {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	exe, err := os.Executable()
	require.NoError(t, err)
	p := &process{t: t, name: strings.Join(args, " "), cmd: exec.CommandContext(ctx, exe, args...), exited: make(chan int, 1), began: time.Now()}
	p.cmd.Env = append(os.Environ(), "EVD_AS=evdbench")
	p.cmd.Stdout, p.cmd.Stderr = locked{&p.mu, &p.out}, locked{&p.mu, &p.errs}
	require.NoError(t, p.cmd.Start())
	go func() {
		err := p.cmd.Wait()
		var exit *exec.ExitError
		switch {
		case err == nil:
			p.exited <- 0
		case errors.As(err, &exit):
			p.exited <- exit.ExitCode()
		default:
			p.exited <- -1
		}
	}()
	t.Cleanup(func() {
		if t.Failed() {
			out, errs := p.said()
			t.Logf("%s:\n%s%s", p.name, out, errs)
		}
	})
	return p
}

func (p *process) said() (out, errs string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.String(), p.errs.String()
}

func (p *process) signal(s syscall.Signal) { require.NoError(p.t, p.cmd.Process.Signal(s)) }

// ends waits for the end with that status.
func (p *process) ends(status int) {
	p.t.Helper()
	require.Equal(p.t, status, <-p.exited, p.name)
}

var servingRE = regexp.MustCompile(`serving on (\S+)\n`)

// serve starts the server on the second node, and says where it is.
func serve(t *testing.T, args ...string) (p *process, addr string) {
	t.Helper()
	p = startProcess(t, append([]string{"serve", "--dev", "rxe2", "--listen", vm.VethAddr2 + ":0"}, args...)...)
	p.eventually(func() bool {
		_, errs := p.said()
		if m := servingRE.FindStringSubmatch(errs); m != nil {
			addr = m[1]
		}
		return addr != ""
	})
	return p, addr
}

func (p *process) eventually(done func() bool) {
	p.t.Helper()
	for since := time.Now(); !done(); time.Sleep(10 * time.Millisecond) {
		require.Less(p.t, time.Since(since), patience, p.name)
	}
}

// client starts the client on the first node, in event mode: two that spin
// would take a guest's two CPUs from the kernel.
func client(t *testing.T, addr, what string, args ...string) *process {
	t.Helper()
	args = append([]string{what, "--cq", "rxe", "--dev", "rxe1", "--mode", "event", "-o", "json", "-q", "--server", addr, "--stall", "30s"}, args...)
	return startProcess(t, args...)
}

func (p *process) report() bench.Report {
	p.t.Helper()
	out, _ := p.said()
	f, err := result.Read(strings.NewReader(out))
	require.NoError(p.t, err)
	require.Len(p.t, f.Reps, 1)
	return *f.Reps[0]
}

// complete checks the report of a run that went to its end.
func (p *process) complete(sent, received uint64) bench.Report {
	p.t.Helper()
	p.ends(exitOK)
	r := p.report()
	require.Empty(p.t, r.Conservation.Violations)
	require.Equal(p.t, bench.Connection{Established: 1, Disconnected: 1, Sent: sent, Received: received}, *r.Connection)
	require.NotNil(p.t, r.Peer)
	require.Equal(p.t, []uint64{received, sent}, []uint64{r.Peer.Sent, r.Peer.Received})
	p.t.Logf("%s %s: %v, of which %v messages; %d heap objects", r.Config.Workload, r.Config.Direction,
		time.Since(p.began).Round(time.Millisecond), time.Duration(r.Results.Elapsed).Round(time.Millisecond), r.Results.Mallocs)
	return r
}

// flowing waits until messages flow: until so many more packets have left
// that device.
func (p *process) flowing(packets int) {
	p.t.Helper()
	count := func() int {
		b, err := os.ReadFile("/sys/class/infiniband/rxe1/ports/1/hw_counters/sent_pkts")
		require.NoError(p.t, err)
		n, err := strconv.Atoi(strings.TrimSpace(string(b)))
		require.NoError(p.t, err)
		return n
	}
	first := count()
	p.eventually(func() bool { return count() >= first+packets })
}

func tc(t *testing.T, args string) {
	t.Helper()
	b, err := exec.Command("tc", strings.Fields(args)...).CombinedOutput()
	require.NoError(t, err, "tc %s: %s", args, b)
}

func TestNodes(t *testing.T) {
	needVeth(t)
	s, addr := serve(t, "--count", "5")
	r := client(t, addr, "lat", "--count", "100", "--warmup", "20").complete(120, 120)
	require.EqualValues(t, 100, r.Results.Latency.Samples)
	client(t, addr, "bw", "--count", "1000", "--warmup", "0").complete(1000, 0)
	client(t, addr, "bw", "--count", "1000", "--warmup", "100", "--direction", "receive", "--size", "5").complete(0, 1100)
	r = client(t, addr, "bw", "--count", "1000", "--warmup", "0", "--direction", "both", "--size", "5000").complete(1000, 1000)
	require.Less(t, r.Results.Mallocs, uint64(1500), "2000 messages, and some hundred objects to connect: no message takes any")
	// Until the time is over: as many as there were, and none lost.
	p := client(t, addr, "bw", "--duration", "300ms", "--direction", "both")
	p.ends(exitOK)
	r = p.report()
	require.Empty(t, r.Conservation.Violations)
	require.Equal(t, []uint64{r.Connection.Received, r.Connection.Sent}, []uint64{r.Peer.Sent, r.Peer.Received})
	s.ends(exitOK)
	out, errs := s.said()
	require.Equal(t, 5, strings.Count(out, ": OK\n"), out)
	require.Contains(t, errs, "served 5 clients; 0 lost, 0 violations; 0 refused")
}

// What the network loses is sent again: everything comes, once and in order.
func TestNodesLossAndDelay(t *testing.T) {
	needVeth(t)
	for _, bad := range []string{"loss 5%", "delay 3ms loss 2%"} {
		t.Run(bad, func(t *testing.T) {
			for _, dev := range []string{"veth0", "veth1"} {
				tc(t, "qdisc add dev "+dev+" root netem "+bad)
				defer tc(t, "qdisc del dev "+dev+" root")
			}
			s, addr := serve(t, "--count", "2")
			client(t, addr, "lat", "--count", "40", "--warmup", "0", "--ack-timeout", "134ms").complete(40, 40)
			client(t, addr, "bw", "--count", "300", "--warmup", "0", "--direction", "both", "--ack-timeout", "134ms").complete(300, 300)
			s.ends(exitOK)
			for _, dev := range []string{"veth0", "veth1"} {
				b, err := exec.Command("tc", "-s", "qdisc", "show", "dev", dev).Output()
				require.NoError(t, err)
				require.NotContains(t, string(b), "(dropped 0,", "nothing was lost")
			}
		})
	}
}

// dead checks the report of a client whose server died: broken once, and
// everything that was accepted came back.
func (p *process) dead() {
	p.t.Helper()
	p.ends(exitPeerLost)
	r := p.report()
	require.Empty(p.t, r.Conservation.Violations)
	require.Equal(p.t, r.Conservation.Accepted, r.Conservation.Delivered+r.Conservation.LeftOver)
	c := r.Connection
	require.Equal(p.t, []uint64{1, 1, 0, 1}, []uint64{c.Established, c.Broken, c.Disconnected, c.Failed})
	require.Contains(p.t, c.Lost, "transport retry count exceeded")
	_, errs := p.said()
	require.Contains(p.t, errs, "the peer was lost: a request failed with transport retry count exceeded: the peer does not answer")
}

func TestNodesServerKilled(t *testing.T) {
	needVeth(t)
	for what, args := range map[string][]string{
		"lat": nil, "bw send": {"--direction", "send"}, "bw receive": {"--direction", "receive"}, "bw both": {"--direction", "both"},
	} {
		t.Run(what, func(t *testing.T) {
			s, addr := serve(t)
			c := client(t, addr, strings.Fields(what)[0], append(args, "--count", "10M", "--warmup", "0")...)
			c.flowing(100)
			s.signal(syscall.SIGKILL)
			c.dead()
		})
	}
}

// A client that dies is the server's loss, and the next one is served.
func TestNodesClientKilled(t *testing.T) {
	needVeth(t)
	s, addr := serve(t, "--count", "3")
	for _, what := range []string{"lat", "bw"} {
		c := client(t, addr, what, "--count", "10M", "--warmup", "0")
		c.flowing(100)
		c.signal(syscall.SIGKILL)
		c.ends(-1)
	}
	client(t, addr, "lat", "--count", "50", "--warmup", "0").complete(50, 50)
	s.ends(exitPeerLost)
	out, errs := s.said()
	require.Equal(t, 2, strings.Count(out, "broken 1, "), out)
	require.Equal(t, 2, strings.Count(out, "client lost"), out)
	require.Contains(t, errs, "served 3 clients; 2 lost, 0 violations; 0 refused")
}

// A cable that is cut says nothing to either side: the client's sends tell it,
// the server, which only receives, asks by itself.
func TestNodesCut(t *testing.T) {
	needVeth(t)
	s, addr := serve(t, "--count", "2")
	c := client(t, addr, "bw", "--count", "10M", "--warmup", "0", "--stall", "8s")
	c.flowing(100)
	for _, dev := range []string{"veth0", "veth1"} {
		tc(t, "qdisc add dev "+dev+" root netem loss 100%")
	}
	mend := sync.OnceFunc(func() {
		for _, dev := range []string{"veth0", "veth1"} {
			tc(t, "qdisc del dev "+dev+" root")
		}
	})
	defer mend()
	// Linux 6.12 was seen to flush what was in flight, and to say no more.
	c.ends(exitPeerLost)
	r := c.report()
	require.Empty(t, r.Conservation.Violations)
	require.EqualValues(t, 1, r.Connection.Broken+r.Connection.Disconnected)
	t.Log(r.Connection.Lost)
	s.eventually(func() bool { out, _ := s.said(); return out != "" })
	out, _ := s.said()
	require.Contains(t, out, "broken 1, ")
	mend()
	client(t, addr, "lat", "--count", "20", "--warmup", "0").complete(20, 20)
	s.ends(exitPeerLost)
}

// An interrupt on either side ends the run on both, in order.
func TestNodesInterrupted(t *testing.T) {
	needVeth(t)
	for _, what := range []string{"lat", "bw"} {
		t.Run(what, func(t *testing.T) {
			s, addr := serve(t)
			c := client(t, addr, what, "--count", "10M", "--warmup", "0")
			c.flowing(100)
			c.signal(syscall.SIGINT)
			c.ends(exitInterrupted)
			r := c.report()
			require.True(t, r.Interrupted)
			require.Empty(t, r.Conservation.Violations)
			require.NotNil(t, r.Peer)

			c = client(t, addr, what, "--count", "10M", "--warmup", "0")
			c.flowing(100)
			s.signal(syscall.SIGINT)
			c.ends(exitOK)
			require.NotNil(t, c.report().Peer)
			s.ends(exitInterrupted)
			out, _ := s.said()
			require.Equal(t, 1, strings.Count(out, ": OK\n"), out)
			require.Equal(t, 1, strings.Count(out, ": OK, interrupted\n"), out)
		})
	}
	s, _ := serve(t)
	s.signal(syscall.SIGINT)
	s.ends(exitOK)
}

// A server that is busy serves the second client after the first.
func TestNodesWait(t *testing.T) {
	needVeth(t)
	s, addr := serve(t, "--count", "3")
	var all []*process
	for range 3 {
		all = append(all, client(t, addr, "bw", "--count", "500", "--warmup", "0"))
	}
	for _, c := range all {
		c.complete(500, 0)
	}
	s.ends(exitOK)
}

// Four ranks under mpirun on the two devices: pairs from one to the other, and all
// others to rank 0.
func TestNodesRanks(t *testing.T) {
	needVeth(t)
	exe, err := os.Executable()
	require.NoError(t, err)
	for _, x := range []struct {
		devs, workload, pattern string
		flows                   uint64
	}{
		{"rxe1,rxe2", bench.Lat, "pairs", 2},
		{"rxe1,rxe2", bench.BW, "pairs", 2},
		{"rxe1,rxe2,rxe2,rxe2", bench.BW, "incast", 3},
	} {
		t.Run(x.workload+" "+x.pattern, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			cmd := exec.CommandContext(ctx, "mpirun", "--allow-run-as-root", "--oversubscribe", "-n", "4", exe, "nodes", "--cq", "rxe", "--dev", x.devs,
				"--workload", x.workload, "--pattern", x.pattern, "--count", "100", "--warmup", "10", "--mode", "event", "--stall", "30s", "-q", "-o", "json")
			cmd.Env = append(os.Environ(), "EVD_AS=evdbench")
			var errs bytes.Buffer
			cmd.Stderr = &errs
			out, err := cmd.Output()
			require.NoError(t, err, "%s", errs.String())
			f, err := result.Read(bytes.NewReader(out))
			require.NoError(t, err)
			require.Len(t, f.Nodes, 4)
			r := f.Reps[0]
			require.Empty(t, r.Conservation.Violations)
			sent := 110 * x.flows
			if x.workload == bench.Lat {
				sent *= 2
			}
			require.Equal(t, bench.Connection{Established: 2 * x.flows, Disconnected: 2 * x.flows, Sent: sent, Received: sent}, *r.Connection)
		})
	}
}

// job is this test binary in a guest.
func job(t *testing.T, env []string, args ...string) vm.Job {
	t.Helper()
	exe, err := os.Executable()
	require.NoError(t, err)
	return vm.Job{Args: append([]string{exe}, args...), Env: env, Stdout: t.Output(), Stderr: t.Output()}
}

func guest(t *testing.T) vm.Config {
	return vm.Config{Kernel: os.Getenv("EVD_KERNEL"), Timeout: 5 * time.Minute, Log: t.Output()}
}

// TestGuestVeth runs the tests above.
func TestGuestVeth(t *testing.T) {
	c := guest(t)
	c.Veth = true
	c.Packages = []string{"openmpi-bin"}
	res, err := vm.Run(t.Context(), c, job(t, nil, "-test.v", "-test.run=^TestNodes"))
	require.NoError(t, err)
	require.Zero(t, res.ExitCode)
	require.Empty(t, res.Alerts)
}

// TestGuestTwo runs the same between two guests, and pulls the plug of the
// server's in the middle.
func TestGuestTwo(t *testing.T) {
	plug := make(chan struct{})
	pull := sync.OnceFunc(func() { close(plug) })
	serving := job(t, []string{"EVD_AS=evdbench"}, "serve", "--listen", vm.WireAddr1+":18516")
	serving.Kill = plug
	asking := job(t, nil, "-test.v", "-test.run=^TestWire$")
	var said strings.Builder
	asking.Stdout = write(func(p []byte) {
		fmt.Fprintf(t.Output(), "%s", p)
		said.Write(p)
		if strings.Contains(said.String(), plugLine) {
			pull()
		}
	})
	answers, err := vm.RunPair(t.Context(), guest(t), [2]vm.Job{serving, asking})
	require.NoError(t, err)
	require.ErrorIs(t, answers[0].Err, vm.ErrKilled)
	require.NoError(t, answers[1].Err)
	require.Zero(t, answers[1].Result.ExitCode)
	require.Empty(t, answers[1].Result.Alerts)
	require.Contains(t, said.String(), "--- PASS: TestWire")
}

type write func(p []byte)

func (w write) Write(p []byte) (int, error) { w(p); return len(p), nil }

// plugLine is what the client's guest says when messages flow.
const plugLine = "pull the plug"

// TestWire is the client's part of TestGuestTwo.
func TestWire(t *testing.T) {
	addr := os.Getenv("EVD_PEER_ADDR")
	require.NotEmpty(t, addr, "for one guest of two: make two-nodes")
	addr += ":18516"
	wire := func(what string, args ...string) *process {
		// Two emulated machines on one host take turns: be patient with the other.
		return client(t, addr, what, append(args, "--dev", "rxe0", "--ack-timeout", "1s", "--warmup", "0")...)
	}
	wire("lat", "--count", "30").complete(30, 30)
	wire("bw", "--count", "300", "--direction", "both").complete(300, 300)
	tc(t, "qdisc add dev eth0 root netem delay 5ms 2ms loss 3%")
	wire("bw", "--count", "300", "--direction", "both").complete(300, 300)
	tc(t, "qdisc del dev eth0 root")

	c := wire("bw", "--count", "10M", "--direction", "both")
	packets := func() string {
		b, err := os.ReadFile("/sys/class/infiniband/rxe0/ports/1/hw_counters/sent_pkts")
		require.NoError(t, err)
		return string(b)
	}
	first := packets()
	c.eventually(func() bool { return packets() != first })
	fmt.Println(plugLine)
	c.dead()
}
