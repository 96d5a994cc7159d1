package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/jsonschema-go/jsonschema"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/evdengine/evd/bench/result"
)

// TestMain makes evdbench a command of the scripts: the program itself, in a
// process of its own.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"evdbench": main})
}

// TestScripts runs testdata/script. Beside testscript's own commands there are
//
//	await FILE [REGEXP]   waits until the file is there (and says that)
//	wide N FILE..         fails if a line is wider than that many letters
//	result FILE           fails if it is no valid result of evdbench
//	same FILE FILE        fails if two results are not of the same settings
//	status N PROGRAM ARG..    runs it; its exit status is to be N
//	start PROGRAM ARG..   runs it beside the script, with the output to "out" and "err"
//	interrupt             interrupts it, as a keyboard does
//	finish N|signal       awaits it; its exit status is to be N, or it was killed
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(e *testscript.Env) error {
			e.Values[key{}] = &started{}
			e.Setenv("GORACE", os.Getenv("GORACE")) // what make race says of the ends of processes
			return nil
		},
		Condition: func(c string) (bool, error) {
			switch c {
			case "full": // a device that is always full
				_, err := os.Stat("/dev/full")
				return err == nil, nil
			case "root":
				return os.Geteuid() == 0, nil
			case "python":
				_, err := exec.LookPath("python3")
				return err == nil, nil
			}
			return false, fmt.Errorf("unknown condition %q", c)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"await": await, "wide": wide, "result": isResult, "same": same, "status": status,
			"start": start, "interrupt": interrupt, "finish": finish,
		},
	})
}

// await has no limit of its own: the test's is enough.
func await(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 || len(args) > 2 {
		ts.Fatalf("usage: await FILE [REGEXP]")
	}
	re := regexp.MustCompile("")
	if len(args) == 2 {
		re = regexp.MustCompile(args[1])
	}
	for {
		if b, err := os.ReadFile(ts.MkAbs(args[0])); err == nil && re.Match(b) {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func wide(ts *testscript.TestScript, neg bool, args []string) {
	var most int
	if _, err := fmt.Sscan(args[0], &most); err != nil || neg {
		ts.Fatalf("usage: wide N FILE..")
	}
	for _, name := range args[1:] {
		for line := range strings.Lines(ts.ReadFile(name)) {
			if n := len([]rune(strings.TrimRight(line, "\n"))); n > most {
				ts.Fatalf("%s: %d letters: %s", name, n, line)
			}
		}
	}
}

func readResult(ts *testscript.TestScript, name string) *result.File {
	f, err := result.Read(strings.NewReader(ts.ReadFile(name)))
	if err != nil {
		ts.Fatalf("%s: %v", name, err)
	}
	return f
}

func isResult(ts *testscript.TestScript, neg bool, args []string) {
	for _, name := range args {
		f := readResult(ts, name)
		err := fits([]byte(ts.ReadFile(name)))
		if (err != nil || !f.OK()) != neg {
			ts.Fatalf("%s: valid %v, schema %v", name, f.OK(), err)
		}
	}
}

func same(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: same FILE FILE")
	}
	a, _ := json.Marshal(readResult(ts, args[0]).Settings)
	b, _ := json.Marshal(readResult(ts, args[1]).Settings)
	if (string(a) == string(b)) == neg {
		ts.Fatalf("%s\n%s", a, b)
	}
}

// status N PROGRAM ARGS: exec, and the exit status is N.
func status(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: status N PROGRAM ARG..")
	}
	err := ts.Exec(args[1], args[2:]...)
	got := 0
	if e, ok := err.(*exec.ExitError); ok {
		got = e.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if fmt.Sprint(got) != args[0] {
		ts.Fatalf("exit status %d, and not %s", got, args[0])
	}
}

var resolved = sync.OnceValues(func() (*jsonschema.Resolved, error) {
	s := &jsonschema.Schema{}
	if err := json.Unmarshal(result.JSONSchema(), s); err != nil {
		return nil, err
	}
	return s.Resolve(nil)
})

// fits holds a result against the JSON schema.
func fits(b []byte) error {
	r, err := resolved()
	if err != nil {
		return err
	}
	var v any
	if err := json.Unmarshal(b, &v); err != nil {
		return err
	}
	return r.Validate(v)
}

// started is a program that a script started and has not awaited.
type started struct {
	cmd *exec.Cmd
	out [2]*os.File
}

type key struct{}

// start PROGRAM ARG..: runs it; its output goes to the files "out" and "err".
func start(ts *testscript.TestScript, neg bool, args []string) {
	s := ts.Value(key{}).(*started)
	if neg || len(args) == 0 || s.cmd != nil {
		ts.Fatalf("usage: start PROGRAM ARG..")
	}
	s.cmd = exec.Command(args[0], args[1:]...)
	s.cmd.Dir = ts.MkAbs(".")
	s.cmd.Env = append(os.Environ(), "TMPDIR="+ts.Getenv("TMPDIR"))
	for i, name := range []string{"out", "err"} {
		f, err := os.Create(ts.MkAbs(name))
		ts.Check(err)
		s.out[i] = f
	}
	s.cmd.Stdout, s.cmd.Stderr = s.out[0], s.out[1]
	ts.Check(s.cmd.Start())
	ts.Defer(func() { // a script that failed leaves nothing behind
		if s.cmd != nil {
			_ = s.cmd.Process.Kill()
			_ = s.cmd.Wait()
		}
	})
}

// interrupt does what the keyboard does.
func interrupt(ts *testscript.TestScript, _ bool, _ []string) {
	ts.Check(ts.Value(key{}).(*started).cmd.Process.Signal(os.Interrupt))
}

// finish STATUS: awaits the program; STATUS is a number, or "signal" for one that did
// not end by itself.
func finish(ts *testscript.TestScript, _ bool, args []string) {
	s := ts.Value(key{}).(*started)
	_ = s.cmd.Wait()
	for _, f := range s.out {
		ts.Check(f.Close())
	}
	got := fmt.Sprint(s.cmd.ProcessState.ExitCode())
	if got == "-1" {
		got = "signal"
	}
	s.cmd = nil
	if len(args) != 1 || got != args[0] {
		ts.Fatalf("finish %v: it was %s\n%s", args, got, ts.ReadFile("err"))
	}
}
