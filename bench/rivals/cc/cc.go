package cc

import (
	"bufio"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

//go:embed Makefile src
var sources embed.FS

// ErrTools is returned by [Build] where there is no compiler.
var ErrTools = errors.New("the C++ rivals are left out")

// tools are the programs without which nothing can be built, and the Debian packages
// that have them.
var tools = []struct{ program, pkg string }{{"make", "make"}, {"g++", "g++"}}

// Build compiles the program in the folder dir, which it makes if need be, and returns
// its path, and the Debian packages without which it has fewer implementations, or,
// with an error that matches [ErrTools], none. What is up to date is not built again.
func Build(dir string) (path string, missing []string, err error) { return build(dir, "-O3") }

func build(dir, opt string) (path string, missing []string, err error) {
	for _, t := range tools {
		if _, err := exec.LookPath(t.program); err != nil {
			missing = append(missing, t.pkg)
		}
	}
	if len(missing) > 0 {
		return "", missing, fmt.Errorf("%w: %s", ErrTools, Advice(missing))
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return "", nil, err
	}
	if err := unpack(dir); err != nil {
		return "", nil, err
	}
	path = filepath.Join(dir, "rivals-cc")
	out, err := exec.Command("make", "-s", "-j2", "-C", dir, "OUT="+path, "OPT="+opt).CombinedOutput()
	if err != nil {
		return "", nil, fmt.Errorf("building the C++ rivals: %w\n%s", err, out)
	}
	p, err := Start(path)
	if err != nil {
		return "", nil, err
	}
	defer p.Close()
	l, err := p.List(listTime)
	return path, l.Missing, err
}

// Advice says how to get Debian packages.
func Advice(missing []string) string {
	return "apt-get install " + strings.Join(missing, " ")
}

// unpack writes the sources to dir, those that differ from what is there.
func unpack(dir string) error {
	return fs.WalkDir(sources, ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		to := filepath.Join(dir, filepath.FromSlash(p))
		if d.IsDir() {
			return os.MkdirAll(to, 0o777)
		}
		b, err := sources.ReadFile(p)
		if err != nil {
			return err
		}
		if old, err := os.ReadFile(to); err == nil && string(old) == string(b) {
			return nil
		}
		return os.WriteFile(to, b, 0o666)
	})
}

// Request is what to measure; see the package's comment. Zero fields have the
// program's defaults: 16 bytes, 1.5 ms, 32 events, the first two CPUs.
type Request struct {
	Impl  string  `json:"impl"`
	Shape string  `json:"shape,omitempty"`
	Event int     `json:"event,omitempty"` // bytes: 16, 32, 64
	MS    float64 `json:"ms,omitempty"`    // about how long the sample takes, 0.001..1000
	Batch int     `json:"batch,omitempty"` // events, 1..256
	CPU0  *int    `json:"cpu0,omitempty"`  // of the producer of a pair
	CPU1  *int    `json:"cpu1,omitempty"`  // of its consumer
	CPUs  *int    `json:"cpus,omitempty"`  // for all of more producers; default 2; 0: every one
}

// Sample is one measurement.
type Sample struct {
	NS     float64 `json:"ns"`     // of one event, in and out
	OK     bool    `json:"ok"`     // the events that came out are those that went in
	NIvCSw int     `json:"nivcsw"` // involuntary context switches of the program meanwhile
	N      int     `json:"n"`      // events: about as many as fit, fewer if they took far too long
}

// List is what the program has.
type List struct {
	Cells    map[string]map[string][]int `json:"cells"`   // event sizes by impl and shape; 0: it does not matter
	Missing  []string                    `json:"missing"` // Debian packages that it was built without
	Versions map[string]string           `json:"versions"`
}

// Has tells whether the request can be answered.
func (l List) Has(r Request) bool {
	for _, size := range l.Cells[r.Impl][r.Shape] {
		if size == 0 || size == r.Event || size == 16 && r.Event == 0 {
			return true
		}
	}
	return false
}

// listTime is a guard: the answer takes no time.
const listTime = 30 * time.Second

// Process is the running program.
//
// Concurrency: one goroutine at a time.
type Process struct {
	cmd     *exec.Cmd
	in      io.WriteCloser
	answers chan answer
	broken  error
}

type answer struct {
	line []byte
	err  error
}

// Start runs the program at path. Close ends it.
func Start(path string) (*Process, error) {
	cmd := exec.Command(path)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("the C++ rivals: %w", err)
	}
	p := &Process{cmd: cmd, in: in, answers: make(chan answer, 1)}
	go func() {
		defer close(p.answers)
		for r := bufio.NewReader(out); ; {
			line, err := r.ReadBytes('\n')
			p.answers <- answer{line, err}
			if err != nil {
				return
			}
		}
	}()
	return p, nil
}

// Ask measures once. An answer that does not come within the timeout ends the program,
// and so does its death; every later Ask has the same error.
func (p *Process) Ask(r Request, timeout time.Duration) (Sample, error) {
	var s Sample
	err := p.ask(r, timeout, &s)
	return s, err
}

// List asks what the program has.
func (p *Process) List(timeout time.Duration) (List, error) {
	var l List
	err := p.ask(Request{Impl: "list"}, timeout, &l)
	return l, err
}

func (p *Process) ask(r Request, timeout time.Duration, to any) error {
	line, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return p.exchange(line, timeout, to)
}

// exchange sends a line and decodes the answer into to.
func (p *Process) exchange(line []byte, timeout time.Duration, to any) error {
	if p.broken != nil {
		return p.broken
	}
	if _, err := p.in.Write(append(line, '\n')); err != nil {
		return p.fail(fmt.Errorf("the C++ rivals: %s: %w", line, err))
	}
	t := time.NewTimer(timeout)
	defer t.Stop()
	select {
	case <-t.C:
		return p.fail(fmt.Errorf("the C++ rivals: %s: no answer within %v", line, timeout))
	case a := <-p.answers:
		if a.err != nil {
			return p.fail(fmt.Errorf("the C++ rivals: %s: ended without an answer: %w", line, a.err))
		}
		var e struct{ Error string }
		if err := json.Unmarshal(a.line, &e); err != nil {
			return p.fail(fmt.Errorf("the C++ rivals: %s: answered %q: %w", line, a.line, err))
		}
		if e.Error != "" {
			return fmt.Errorf("the C++ rivals: %s: %s", line, e.Error)
		}
		return json.Unmarshal(a.line, to)
	}
}

// fail ends the program for good.
func (p *Process) fail(err error) error {
	p.broken = err
	_ = p.cmd.Process.Kill()
	return err
}

// Close ends the program. Idempotent.
func (p *Process) Close() error {
	if p.in == nil {
		return nil
	}
	_ = p.in.Close()
	p.in = nil
	for range p.answers { // until it has closed its output
	}
	err := p.cmd.Wait()
	if p.broken != nil {
		return nil // known already
	}
	p.broken = errors.New("the C++ rivals: closed")
	return err
}
