package vm

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Run runs j in a guest (or natively, see Config.Native) and waits for its
// end. A job that exits with a status other than 0 is no error: see
// Result.ExitCode. Errors match ErrBoot, ErrTimeout, ErrKernel, ErrLost,
// *MissingError or the context's.
//
// Independent Runs may go on at the same time.
func Run(ctx context.Context, c Config, j Job) (Result, error) {
	if err := errors.Join(c.Validate(), j.Validate()); err != nil {
		return Result{}, err
	}
	c = c.WithDefaults()
	j, err := j.resolve()
	if err != nil {
		return Result{}, err
	}
	ctx, stop := killable(ctx, j.Kill)
	defer stop()
	if c.Native != NativeNever {
		why := nativeLacks(c, "/")
		if why == nil {
			return runNative(ctx, c, j)
		}
		if c.Native == NativeAlways {
			return Result{}, why
		}
		fmt.Fprintln(c.Log, "vm: not on the host:", why)
	}
	img, err := fetch(ctx, c, false)
	if err != nil {
		return Result{}, err
	}
	share := j.Share
	if share == "" {
		if share, err = os.MkdirTemp("", "evdvm-share-"); err != nil {
			return Result{}, err
		}
		defer os.RemoveAll(share)
	}
	return bootAny(ctx, c, j, img, share)
}

// killable is a context that also ends, with ErrKilled, when kill is closed.
func killable(ctx context.Context, kill <-chan struct{}) (_ context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	if kill != nil {
		go func() {
			select {
			case <-kill:
				cancel(ErrKilled)
			case <-ctx.Done():
			}
		}()
	}
	return ctx, func() { cancel(nil) }
}

// bootAny boots with the wanted accelerator. KVM that does not get as far as
// starting the job is given up for TCG: nothing of the job has happened yet.
func bootAny(ctx context.Context, c Config, j Job, img image, share string) (Result, error) {
	accel := c.Accel
	if accel == AccelAuto {
		if f, err := os.OpenFile("/dev/kvm", os.O_RDWR, 0); err != nil {
			fmt.Fprintln(c.Log, "vm: no KVM:", err)
			accel = AccelTCG
		} else {
			f.Close()
			accel = AccelKVM
		}
	}
	if accel == AccelKVM {
		k := c
		k.BootTimeout = min(c.BootTimeout, kvmBootTimeout)
		res, err := boot(ctx, k, j, img, accel, share)
		if c.Accel == AccelKVM || !errors.Is(err, ErrBoot) {
			return res, err
		}
		fmt.Fprintln(c.Log, "vm: KVM did not work, using TCG:", strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	return boot(ctx, c, j, img, AccelTCG, share)
}

// resolve makes j's paths absolute.
func (j Job) resolve() (Job, error) {
	var err error
	if j.Dir == "" {
		j.Dir = "."
	}
	if j.Dir, err = filepath.Abs(j.Dir); err != nil {
		return j, err
	}
	if j.Share != "" {
		if j.Share, err = filepath.Abs(j.Share); err != nil {
			return j, err
		}
	}
	if strings.ContainsRune(j.Args[0], '/') {
		path := j.Args[0]
		if !filepath.IsAbs(path) {
			path = filepath.Join(j.Dir, path)
		}
		if _, err := exec.LookPath(path); err != nil {
			return j, fmt.Errorf("vm: job: %w", err)
		}
		j.Args = append([]string{path}, j.Args[1:]...)
	}
	if j.Stdout == nil {
		j.Stdout = io.Discard
	}
	if j.Stderr == nil {
		j.Stderr = io.Discard
	}
	return j, nil
}

// settingsFor is what the guest has to know to run j.
func settingsFor(c Config, j Job, release string) (settings, error) {
	exists := func(p string) bool { _, err := os.Stat(p); return err == nil }
	dirs := []string{moduleRoot(j.Dir, exists)}
	if strings.ContainsRune(j.Args[0], '/') {
		dirs = append(dirs, filepath.Dir(j.Args[0]))
	}
	for i, d := range dirs {
		real, err := filepath.EvalSymlinks(d)
		if err != nil {
			return settings{}, fmt.Errorf("vm: job: %w", err)
		}
		if strings.ContainsRune(real, '\n') {
			return settings{}, fmt.Errorf("vm: job: a folder name with a line break: %q", real)
		}
		dirs[i] = real
	}
	s := settings{binds: bindsFor(dirs...)}
	env := guestEnv(release)
	s.rxe, s.net, s.modules, env = network(c, env)
	s.script = jobScript(j, env)
	return s, nil
}
