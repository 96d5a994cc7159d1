package vm

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// exitGrace is how long QEMU may take to end after the job's exit status is
// known: the guest only has to power off.
const exitGrace = 20 * time.Second

// maxLog bounds what is kept of the console and the kernel log.
const maxLog = 1 << 20

// boot runs j in one guest.
func boot(ctx context.Context, c Config, j Job, img image, accel Accel, share string) (Result, error) {
	tmp, err := os.MkdirTemp("", "evdvm-")
	if err != nil {
		return Result{}, err
	}
	defer os.RemoveAll(tmp)
	initrd, err := packInitramfs(c, j, img, tmp)
	if err != nil {
		return Result{}, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	cmd := exec.CommandContext(ctx, qemuProgram, qemuArgs(c, accel, img.vmlinuz(), initrd, share)...)
	cmd.SysProcAttr = childAttr()
	g := &guest{cancel: cancel, up: c.up, timeout: c.Timeout, res: Result{Accel: accel, Release: img.Release, ExitCode: -1}}
	console, qemuErr := &tail{max: maxLog}, &tail{max: maxLog}
	cmd.Stdout, cmd.Stderr = console, qemuErr
	cmd.WaitDelay = 5 * time.Second

	var dmesg tail
	dmesg.max = maxLog
	sinks := []func(io.Reader){
		g.control,
		func(r io.Reader) { copyAll(j.Stdout, r) },
		func(r io.Reader) { copyAll(j.Stderr, r) },
		func(r io.Reader) { copyAll(&dmesg, r) },
	}
	var readers, writers []*os.File
	closeAll := func(files []*os.File) {
		for _, f := range files {
			f.Close()
		}
	}
	for range sinks {
		r, w, err := os.Pipe()
		if err != nil {
			closeAll(readers)
			closeAll(writers)
			return Result{}, err
		}
		readers, writers = append(readers, r), append(writers, w)
	}
	cmd.ExtraFiles = writers
	if c.wire != nil { // whose end is RunPair's to close: another boot may follow
		cmd.ExtraFiles = append(slices.Clone(writers), c.wire)
	}
	g.start = time.Now()
	g.timer = time.AfterFunc(c.BootTimeout, func() {
		cancel(fmt.Errorf("%w within %v", ErrBoot, c.BootTimeout))
	})
	var wg sync.WaitGroup
	for i, r := range readers {
		wg.Go(func() { sinks[i](r); r.Close() })
	}
	err = cmd.Start()
	closeAll(writers) // QEMU holds the other copies: its end closes the pipes
	if err == nil {
		err = cmd.Wait()
	}
	wg.Wait()
	g.timer.Stop()
	g.res.Dmesg = dmesg.String()
	return g.verdict(context.Cause(ctx), err, console.String(), qemuErr.String())
}

func packInitramfs(c Config, j Job, img image, dir string) (string, error) {
	s, err := settingsFor(c, j, img.Release)
	if err != nil {
		return "", err
	}
	path, err := exec.LookPath("busybox")
	if err != nil {
		return "", err
	}
	busybox, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	name := filepath.Join(dir, "initramfs.cpio")
	f, err := os.Create(name)
	if err != nil {
		return "", err
	}
	w := bufio.NewWriterSize(f, 1<<16)
	return name, errors.Join(writeInitramfs(w, img, busybox, s), w.Flush(), f.Close())
}

// guest follows one guest through its control port. Its fields belong to the
// goroutine of control until that has ended.
type guest struct {
	cancel  context.CancelCauseFunc
	up      func() // nil, or told when the job starts
	timeout time.Duration
	timer   *time.Timer
	start   time.Time
	readyUp time.Duration
	ready   bool
	exited  bool
	failed  string // the guest's own reason
	res     Result
}

// control reads the guest's reports and moves the time limit along: first
// for the boot, then for the job, at last for the power-off.
func (g *guest) control(r io.Reader) {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		rep, err := parseReport(lines.Text())
		if err != nil {
			g.failed = err.Error()
			continue
		}
		switch rep.kind {
		case "hello":
			g.res.Release = rep.text
		case "ready":
			g.ready, g.readyUp = true, rep.up
			g.res.Boot = time.Since(g.start)
			g.limit(g.timeout, fmt.Errorf("%w: the job ran longer than %v", ErrTimeout, g.timeout))
			if g.up != nil {
				g.up()
			}
		case "exit":
			g.exited, g.res.ExitCode = true, rep.code
			g.res.Job = rep.up - g.readyUp
			g.limit(exitGrace, fmt.Errorf("%w: no power-off within %v", ErrLost, exitGrace))
		case "fail":
			g.failed = rep.text
			g.limit(exitGrace, fmt.Errorf("%w: no power-off within %v", ErrLost, exitGrace))
		}
	}
	copyAll(io.Discard, r) // an over-long line: keep the pipe flowing
}

func (g *guest) limit(d time.Duration, cause error) {
	g.timer.Stop()
	g.timer = time.AfterFunc(d, func() { g.cancel(cause) })
}

// verdict turns what is known after QEMU's end into Run's answer.
func (g *guest) verdict(cause, waitErr error, console, qemuErr string) (Result, error) {
	alerts, dead := kernelAlerts(console + "\n" + g.res.Dmesg)
	g.res.Alerts = alerts
	if g.exited {
		return g.res, nil // also when the power-off hung: the job's answer is complete
	}
	detail := func(err error) error {
		if s := lastLines(console, 20); s != "" {
			err = fmt.Errorf("%w\nconsole:\n%s", err, s)
		}
		if s := lastLines(qemuErr, 10); s != "" {
			err = fmt.Errorf("%w\nqemu: %s", err, s)
		}
		return err
	}
	switch {
	case dead && !g.ready: // ErrBoot, too: another accelerator may do
		return g.res, detail(fmt.Errorf("%w: %w: %s", ErrBoot, ErrKernel, strings.Join(alerts, "; ")))
	case dead:
		return g.res, detail(fmt.Errorf("%w: %s", ErrKernel, strings.Join(alerts, "; ")))
	case g.failed != "":
		return g.res, detail(fmt.Errorf("%w: %s", ErrBoot, g.failed))
	case cause != nil:
		return g.res, detail(cause)
	case !g.ready:
		return g.res, detail(fmt.Errorf("%w: qemu ended early: %v", ErrBoot, waitErr))
	default:
		return g.res, detail(fmt.Errorf("%w: qemu: %v", ErrLost, waitErr))
	}
}

// copyAll copies until r ends; a writer that fails must not stop the guest,
// which would block on a full pipe.
func copyAll(w io.Writer, r io.Reader) {
	if _, err := io.Copy(w, r); err != nil {
		io.Copy(io.Discard, r)
	}
}

// tail is a writer that keeps the last max bytes at least.
type tail struct {
	mu  sync.Mutex
	buf []byte
	max int
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, p...)
	if len(t.buf) > 2*t.max {
		t.buf = append(t.buf[:0], t.buf[len(t.buf)-t.max:]...)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.ReplaceAll(string(t.buf), "\r", "")
}
