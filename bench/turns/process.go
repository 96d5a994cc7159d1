package turns

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"
)

// ErrProtocol is matched by errors about a program that does not take turns.
var ErrProtocol = errors.New("it does not take turns: not an evdbench, or one of before this one or after")

// ExitError is a child that has ended by itself: it was given what it does not take, or
// it crashed.
type ExitError struct {
	Status int // -1: a signal
	Text   string
}

func (e *ExitError) Error() string {
	if e.Text == "" {
		return fmt.Sprintf("it ended with status %d", e.Status)
	}
	return e.Text
}

// grace is how long a child has to end once its input has ended.
const grace = 5 * time.Second

// process is a child.
type process struct {
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    *bufio.Reader
	stderr bytes.Buffer // the child's; read once it has ended
	hello  Hello
}

// start starts a child and awaits its hello.
func start(ctx context.Context, a Arm) (*process, error) {
	p := &process{cmd: exec.CommandContext(ctx, a.Path, a.Args...)}
	p.cmd.Env = append(os.Environ(), Variable+"=1")
	p.cmd.Stderr = &p.stderr
	p.cmd.WaitDelay = grace
	var err error
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	p.cmd.Cancel = p.in.Close // it ends when it has nothing more to read
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.out = bufio.NewReader(out)
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	if err := p.read(&p.hello); err != nil {
		return nil, err
	}
	if p.hello.Protocol != Protocol {
		return nil, errors.Join(ErrProtocol, p.close())
	}
	return p, nil
}

// turn lets it measure.
func (p *process) turn(o Order) (Reply, error) {
	var r Reply
	if err := json.NewEncoder(p.in).Encode(o); err != nil {
		return r, p.ended(err)
	}
	return r, p.read(&r)
}

func (p *process) read(v any) error {
	line, err := p.out.ReadBytes('\n')
	if err != nil {
		return p.ended(err)
	}
	if json.Unmarshal(line, v) != nil {
		_ = p.cmd.Process.Kill() // who knows when it would end
		_ = p.close()
		return ErrProtocol
	}
	return nil
}

// ended says why the child has ended, which err shows that it has.
func (p *process) ended(err error) error {
	werr := p.close()
	var exit *exec.ExitError
	if errors.As(werr, &exit) {
		return &ExitError{exit.ExitCode(), strings.TrimSpace(p.stderr.String())}
	}
	if werr != nil {
		return werr
	}
	if errors.Is(err, io.EOF) {
		return ErrProtocol // it ended well, without having been told to
	}
	return err
}

// close lets the child end, and waits for it.
func (p *process) close() error {
	_ = p.in.Close()
	_, _ = io.Copy(io.Discard, p.out)
	return p.cmd.Wait()
}
