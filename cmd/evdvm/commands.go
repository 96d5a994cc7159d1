package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/evdengine/evd/internal/param"
	"github.com/evdengine/evd/internal/vm"
)

type options struct {
	fs             *flag.FlagSet
	cfg            vm.Config
	job            vm.Job
	modules        string
	accel, native  string
	refresh, dmesg bool
	stdout, stderr io.Writer
}

// guestFlags are those of run and pair.
func (o *options) guestFlags() {
	o.fs.IntVar(&o.cfg.MemoryMiB, "memory", vm.DefaultMemoryMiB, "guest memory in `MiB`")
	o.fs.IntVar(&o.cfg.CPUs, "cpus", 0, fmt.Sprintf("guest CPUs (default %d, or 1 with -icount)", vm.DefaultCPUs))
	o.fs.StringVar(&o.accel, "accel", "tcg", "`tcg`, kvm, or auto: KVM if it is proven to work in time, else TCG")
	o.fs.StringVar(&o.modules, "modules", "", "further kernel `modules`, comma-separated, of: "+strings.Join(vm.ExtraModules, " "))
	o.fs.DurationVar(&o.cfg.Timeout, "timeout", vm.DefaultTimeout, "time limit of the job, not counting the boot")
	o.fs.DurationVar(&o.cfg.BootTimeout, "boot-timeout", vm.DefaultBootTimeout, "time limit of the boot")
	o.fs.StringVar(&o.job.Dir, "dir", "", "working `folder` (default the current one)")
	o.fs.StringVar(&o.job.Share, "share", "", "host `folder`, writable in the guest as $EVD_SHARE (default a temporary one)")
	o.fs.BoolVar(&o.dmesg, "dmesg", false, "print the guest's kernel log to standard error at the end")
	o.fs.Func("env", "`NAME=VALUE` for the job, or NAME to pass on this process's; repeatable", func(s string) error {
		if !strings.Contains(s, "=") {
			value, ok := os.LookupEnv(s)
			if !ok {
				return nil
			}
			s += "=" + value
		}
		o.job.Env = append(o.job.Env, s)
		return nil
	})
}

// runFlags are those of run alone.
func (o *options) runFlags() {
	o.fs.BoolVar(&o.cfg.ICount, "icount", false, "virtual time counts instructions: host load does not enter, one CPU")
	o.fs.StringVar(&o.native, "native", "never", "run on the host itself if it has an rxe device: auto, `never` or always")
	o.fs.BoolVar(&o.cfg.NoRXE, "no-rxe", false, "leave dummy0 and rxe0 down")
	o.fs.BoolVar(&o.cfg.Veth, "veth", false, "instead of rxe0: rxe1 and rxe2 on a veth pair, "+vm.VethAddr1+" and "+vm.VethAddr2+", two nodes in one guest")
}

func (o *options) run(ctx context.Context) int {
	o.job.Args = o.fs.Args()
	o.job.Stdout, o.job.Stderr = o.stdout, o.stderr
	o.cfg.Accel, o.cfg.Native = vm.Accel(o.accel), vm.Native(o.native)
	o.cfg.Modules = splitList(o.modules)
	res, err := vm.Run(ctx, o.cfg, o.job)
	return o.ended("evdvm", res, err)
}

// ended says how a job has ended, and returns the exit status for it.
func (o *options) ended(who string, res vm.Result, err error) int {
	if o.dmesg {
		io.WriteString(o.stderr, res.Dmesg)
	}
	for _, a := range res.Alerts {
		fmt.Fprintf(o.stderr, "%s: guest kernel: %s\n", who, a)
	}
	if err != nil {
		return o.fail(err)
	}
	if o.cfg.Log != nil && !res.Native {
		fmt.Fprintf(o.stderr, "%s: linux %s, %s: boot %.1f s, job %.1f s, exit %d\n",
			who, res.Release, res.Accel, res.Boot.Seconds(), res.Job.Seconds(), res.ExitCode)
	}
	return res.ExitCode
}

// pair runs two jobs in two guests. Whatever becomes of one, the other one
// runs to its own end.
func (o *options) pair(ctx context.Context) int {
	args := o.fs.Args()
	i := slices.Index(args, "--")
	if i < 0 {
		return o.fail(param.Invalid("evdvm", "pair", strings.Join(args, " "), "JOB1 -- JOB2"))
	}
	o.cfg.Accel, o.cfg.Modules = vm.Accel(o.accel), splitList(o.modules)
	var mu sync.Mutex
	var jobs [2]vm.Job
	var prefixed []*prefixer
	for n, a := range [][]string{args[:i], args[i+1:]} {
		out := &prefixer{mu: &mu, w: o.stdout, prefix: fmt.Sprintf("%d| ", n+1)}
		errs := &prefixer{mu: &mu, w: o.stderr, prefix: out.prefix}
		prefixed = append(prefixed, out, errs)
		jobs[n] = o.job
		jobs[n].Args, jobs[n].Stdout, jobs[n].Stderr = a, out, errs
	}
	answers, err := vm.RunPair(ctx, o.cfg, jobs)
	for _, p := range prefixed {
		p.flush()
	}
	if err != nil {
		return o.fail(err)
	}
	code := 0
	for n, a := range answers {
		if c := o.ended(fmt.Sprintf("evdvm: guest %d", n+1), a.Result, a.Err); code == 0 {
			code = c
		}
	}
	return code
}

// prefixer marks each line that passes.
//
// Concurrency: one goroutine writes; mu, shared by the prefixers of one run,
// keeps the lines of the underlying writer whole.
type prefixer struct {
	mu     *sync.Mutex
	w      io.Writer
	prefix string
	line   []byte // begun, not written yet
}

func (p *prefixer) Write(b []byte) (int, error) {
	for rest := b; len(rest) > 0; {
		i := bytes.IndexByte(rest, '\n')
		if i < 0 {
			p.line = append(p.line, rest...)
			break
		}
		p.line = append(p.line, rest[:i+1]...)
		rest = rest[i+1:]
		if err := p.write(); err != nil {
			return 0, err
		}
	}
	return len(b), nil
}

func (p *prefixer) write() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, err := fmt.Fprintf(p.w, "%s%s", p.prefix, p.line)
	p.line = p.line[:0]
	return err
}

// flush writes a last line that has no end.
func (p *prefixer) flush() {
	if len(p.line) > 0 {
		p.line = append(p.line, '\n')
		_ = p.write()
	}
}

func (o *options) fetch(ctx context.Context) int {
	release, err := vm.Fetch(ctx, o.cfg, o.refresh)
	if err != nil {
		return o.fail(err)
	}
	fmt.Fprintln(o.stdout, release)
	return 0
}

// fail prints err and returns the exit status for it.
func (o *options) fail(err error) int {
	fmt.Fprintln(o.stderr, "evdvm:", err)
	switch {
	case errors.Is(err, vm.ErrTimeout):
		return exitTimeout
	case errors.Is(err, param.ErrInvalid):
		return exitUsage
	}
	return exitFailed
}

func (o *options) doctor(ctx context.Context) int {
	checks := vm.Diagnose(ctx, o.cfg)
	code := 0
	for _, c := range checks {
		mark := "ok     "
		switch {
		case c.OK:
		case c.Optional:
			mark = "absent "
		default:
			mark, code = "MISSING", exitFailed
		}
		fmt.Fprintf(o.stdout, "%s  %-8s %s\n", mark, c.Name, c.Detail)
	}
	return code
}
