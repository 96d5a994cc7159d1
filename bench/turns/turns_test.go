package turns

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/bench"
	"github.com/evdengine/evd/bench/stats"
)

// TestMain makes this program a child that takes turns, if it is asked to.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "child" {
		child(os.Args[2])
		return
	}
	os.Exit(m.Run())
}

// child plays one of several roles.
func child(role string) {
	hello := func() { _ = json.NewEncoder(os.Stdout).Encode(Hello{Protocol: Protocol, Version: role}) }
	answer := func(r Reply) {
		hello()
		for s := bufio.NewScanner(os.Stdin); s.Scan(); {
			_ = json.NewEncoder(os.Stdout).Encode(r)
		}
	}
	switch role {
	case "real":
		if err := Serve(context.Background(), bench.Config{Mode: "event"}, os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	case "refuses":
		fmt.Fprintln(os.Stderr, "evdbench lat: unknown flag: --x")
		os.Exit(2)
	case "crashes":
		hello()
		bufio.NewScanner(os.Stdin).Scan()
		panic("in a turn")
	case "other":
		fmt.Println(`{"evdbench_turns":2}`)
	case "words":
		fmt.Println("Hello, world")
		_, _ = io.Copy(io.Discard, os.Stdin)
	case "silent":
	case "loses":
		answer(Reply{Violations: []string{"event 3 is missing"}})
	case "lags":
		answer(Reply{Invalid: []string{"the generator lagged"}})
	case "fails":
		hello()
		bufio.NewScanner(os.Stdin).Scan()
		fmt.Fprintln(os.Stderr, "no such device")
		os.Exit(3)
	case "interrupted":
		answer(Reply{Interrupted: true})
	case "hangs":
		hello()
		_, _ = io.Copy(io.Discard, os.Stdin)
	}
}

func arm(t *testing.T, name, role string) Arm {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	return Arm{Name: name, Path: self, Args: []string{"child", role}}
}

func session(arms ...Arm) *Session {
	return &Session{Config: Config{
		Arms: arms, Rounds: 2, Measure: time.Millisecond, Rand: rand.New(rand.NewPCG(1, 2)),
	}}
}

// Real runs, in real processes.
func TestBlock(t *testing.T) {
	s := session(arm(t, "A", "real"), arm(t, "B", "real"))
	b, err := s.Block(t.Context())
	require.NoError(t, err)
	require.Len(t, b, 2)
	assert.Equal(t, 8, s.Turns)
	assert.Zero(t, s.Invalid)
	require.Len(t, s.Hellos, 2)
	assert.Equal(t, "event", s.Hellos[1].Config.Mode)
	assert.Equal(t, bench.Version(), s.Hellos[0].Version)
	for _, name := range []string{"rate", "svc.max"} {
		_, ok := stats.Find(b.Metrics(), name)
		assert.True(t, ok, name)
		assert.True(t, b.Complete(name), name)
		for _, r := range b.Metric(name) {
			require.Len(t, r, 2)
			for _, a := range r {
				for _, v := range a {
					assert.Positive(t, v, name)
				}
			}
		}
	}
	assert.False(t, b.Complete("resp.p50"))
	_, ok := b.Metric("resp.p50").Delta(1)
	assert.False(t, ok)
}

func TestChildrenThatFail(t *testing.T) {
	for role, check := range map[string]func(t *testing.T, err error){
		"refuses": func(t *testing.T, err error) {
			var exit *ExitError
			require.ErrorAs(t, err, &exit)
			assert.Equal(t, 2, exit.Status)
			assert.EqualError(t, err, "B: evdbench lat: unknown flag: --x")
		},
		"crashes": func(t *testing.T, err error) {
			var exit *ExitError
			require.ErrorAs(t, err, &exit)
			assert.Contains(t, err.Error(), "panic: in a turn")
		},
		"other":  func(t *testing.T, err error) { assert.ErrorIs(t, err, ErrProtocol) },
		"words":  func(t *testing.T, err error) { assert.ErrorIs(t, err, ErrProtocol) },
		"silent": func(t *testing.T, err error) { assert.ErrorIs(t, err, ErrProtocol) },
		"loses": func(t *testing.T, err error) {
			require.ErrorIs(t, err, ErrLost)
			assert.Contains(t, err.Error(), "B: conservation violated: event 3 is missing")
		},
		"fails": func(t *testing.T, err error) {
			var exit *ExitError
			require.ErrorAs(t, err, &exit)
			assert.Equal(t, ExitError{3, "no such device"}, *exit)
		},
		"interrupted": func(t *testing.T, err error) { assert.ErrorIs(t, err, context.Canceled) },
	} {
		t.Run(role, func(t *testing.T) {
			b, err := session(arm(t, "A", "lags"), arm(t, "B", role)).Block(t.Context())
			assert.Nil(t, b)
			require.Error(t, err)
			var ae *ArmError
			require.ErrorAs(t, err, &ae)
			assert.Equal(t, "B", ae.Arm.Name)
			check(t, err)
		})
	}
	_, err := session(Arm{Name: "A", Path: "/nonexistent/evdbench"}).Block(t.Context())
	assert.ErrorIs(t, err, os.ErrNotExist)
}

func TestInvalidTurnsAreNotUsed(t *testing.T) {
	s := session(arm(t, "A", "lags"))
	b, err := s.Block(t.Context())
	require.NoError(t, err)
	assert.Equal(t, 4, s.Turns)
	assert.Equal(t, 4, s.Invalid)
	assert.Equal(t, "the generator lagged", s.Why)
	assert.Empty(t, b.Metrics())
	assert.Empty(t, b.Metric("rate").Values(0))
}

// A child that does not answer is no reason not to end.
func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	b, err := session(arm(t, "A", "hangs")).Block(ctx)
	assert.Nil(t, b)
	assert.Equal(t, context.Canceled, err)
}

// serve runs Serve on pipes.
func serve(ctx context.Context, cfg bench.Config) (in io.WriteCloser, out *bufio.Reader, done <-chan error) {
	ir, iw := io.Pipe()
	or, ow := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := Serve(ctx, cfg, ir, ow)
		_ = ow.Close()
		ended <- err
	}()
	return iw, bufio.NewReader(or), ended
}

func TestServe(t *testing.T) {
	in, out, done := serve(t.Context(), bench.Config{Workload: bench.BW, Mode: "event", Count: 5, Duration: time.Hour})
	var hello Hello
	line, err := out.ReadBytes('\n')
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(line, &hello))
	assert.Equal(t, Protocol, hello.Protocol)
	assert.Equal(t, bench.BW, hello.Config.Workload)
	for range 3 {
		require.NoError(t, json.NewEncoder(in).Encode(Order{Measure: 2 * time.Millisecond}))
		var r Reply
		line, err := out.ReadBytes('\n')
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(line, &r))
		assert.Empty(t, r.Violations)
		rate, ok := stats.Find(r.Metrics, "rate")
		assert.True(t, ok)
		assert.Positive(t, rate.Value)
	}
	require.NoError(t, in.Close())
	assert.NoError(t, <-done)
}

func TestServeRefuses(t *testing.T) {
	assert.ErrorContains(t, Serve(t.Context(), bench.Config{Mode: "x"}, strings.NewReader(""), io.Discard), "mode")

	in, out, done := serve(t.Context(), bench.Config{Mode: "event"})
	_, err := out.ReadBytes('\n')
	require.NoError(t, err)
	_, err = io.WriteString(in, "go\n")
	require.NoError(t, err)
	assert.EqualError(t, <-done, `turns: not an order: "go"`)

	in, out, done = serve(t.Context(), bench.Config{Mode: "event"})
	_, err = out.ReadBytes('\n')
	require.NoError(t, err)
	require.NoError(t, json.NewEncoder(in).Encode(Order{Measure: -1}))
	assert.ErrorContains(t, <-done, "duration")
}

func TestServeInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	in, out, done := serve(ctx, bench.Config{Mode: "event"})
	_, err := out.ReadBytes('\n')
	require.NoError(t, err)
	require.NoError(t, json.NewEncoder(in).Encode(Order{Measure: time.Hour}))
	cancel()
	line, err := out.ReadBytes('\n')
	if err == nil { // the turn had begun
		assert.Contains(t, string(line), `"interrupted":true`)
	}
	_ = in.Close()
	assert.True(t, errors.Is(<-done, context.Canceled))
}
