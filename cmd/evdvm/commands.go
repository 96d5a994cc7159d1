package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

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

func (o *options) runFlags() {
	o.fs.IntVar(&o.cfg.MemoryMiB, "memory", vm.DefaultMemoryMiB, "guest memory in `MiB`")
	o.fs.IntVar(&o.cfg.CPUs, "cpus", 0, fmt.Sprintf("guest CPUs (default %d, or 1 with -icount)", vm.DefaultCPUs))
	o.fs.BoolVar(&o.cfg.ICount, "icount", false, "virtual time counts instructions: host load does not enter, one CPU")
	o.fs.StringVar(&o.accel, "accel", "tcg", "`tcg`, kvm, or auto: KVM if it is proven to work in time, else TCG")
	o.fs.StringVar(&o.native, "native", "never", "run on the host itself if it has an rxe device: auto, `never` or always")
	o.fs.BoolVar(&o.cfg.NoRXE, "no-rxe", false, "leave dummy0 and rxe0 down")
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

func (o *options) run(ctx context.Context) int {
	o.job.Args = o.fs.Args()
	o.job.Stdout, o.job.Stderr = o.stdout, o.stderr
	o.cfg.Accel, o.cfg.Native = vm.Accel(o.accel), vm.Native(o.native)
	o.cfg.Modules = splitList(o.modules)
	res, err := vm.Run(ctx, o.cfg, o.job)
	if o.dmesg {
		io.WriteString(o.stderr, res.Dmesg)
	}
	for _, a := range res.Alerts {
		fmt.Fprintln(o.stderr, "evdvm: guest kernel:", a)
	}
	if err != nil {
		return o.fail(err)
	}
	if o.cfg.Log != nil && !res.Native {
		fmt.Fprintf(o.stderr, "evdvm: linux %s, %s: boot %.1f s, job %.1f s, exit %d\n",
			res.Release, res.Accel, res.Boot.Seconds(), res.Job.Seconds(), res.ExitCode)
	}
	return res.ExitCode
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
