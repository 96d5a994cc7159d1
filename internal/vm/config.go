package vm

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/evdengine/evd/internal/param"
)

// Accel selects how QEMU executes guest instructions.
type Accel string

// The accelerators. The zero value means TCG: a /dev/kvm that exists may
// still be unable to run a stock guest, so KVM has to be asked for.
const (
	AccelTCG  Accel = "tcg"
	AccelKVM  Accel = "kvm"  // fail if the guest does not come up with it
	AccelAuto Accel = "auto" // KVM if the guest's banner arrives in time, else TCG
)

// Native selects whether a job may run on the host itself.
type Native string

// The ways to use the host. The zero value means Never.
const (
	NativeNever  Native = "never"
	NativeAuto   Native = "auto"   // on the host if it has a usable rxe device, else in a guest
	NativeAlways Native = "always" // on the host, or fail saying what it lacks
)

// Defaults of [Config].
const (
	DefaultKernel      = "6.12"
	DefaultMemoryMiB   = 2048
	DefaultCPUs        = 2
	DefaultTimeout     = 5 * time.Minute
	DefaultBootTimeout = 3 * time.Minute // TCG on a loaded machine; an idle one needs 5 to 10 s
	kvmBootTimeout     = 20 * time.Second
)

// Config describes the guest. The zero value is a usable guest.
type Config struct {
	Kernel      string        // series ("6.12", "6.1") or an exact release; "" = 6.12
	MemoryMiB   int           // 256 .. 65536; 0 = 2048
	CPUs        int           // 1 .. 64; 0 = 2, or 1 with ICount
	Accel       Accel         // "" = tcg
	ICount      bool          // virtual time counts instructions; one CPU, host load does not enter
	NoRXE       bool          // leave dummy0 and rxe0 down
	Veth        bool          // instead: rxe1 and rxe2 on the ends of a veth pair, two nodes in one guest
	Modules     []string      // further modules to load, of ExtraModules
	Timeout     time.Duration // of the job, from its start in the guest; 0 = 5 min
	BootTimeout time.Duration // from QEMU's start to the job's; 0 = 3 min
	CacheDir    string        // "" = $EVD_CACHE, else the user's cache folder, else .cache
	Native      Native        // "" = never
	Packages    []string      // Debian packages the job needs on the host, installed if missing
	Log         io.Writer     // progress of the set-up; nil = silent

	node int      // of RunPair: 1 or 2
	wire *os.File // its end of the cable
	up   func()   // told when the job starts
}

// Job is the command to run.
type Job struct {
	Args   []string  // program and arguments; a program with a slash is a host path
	Env    []string  // NAME=VALUE, added to the guest's small environment
	Dir    string    // working directory, a host path; "" = the current one
	Share  string    // host folder, writable in the guest as $EVD_SHARE; "" = a temporary one
	Stdout io.Writer // nil = discarded
	Stderr io.Writer // nil = discarded

	// Kill, when it is closed, ends the guest at once, as a power cut would;
	// the error is ErrKilled then. nil = never.
	Kill <-chan struct{}
}

// Result tells how a job ended.
type Result struct {
	ExitCode int           // of the job; 128+n when signal n killed it
	Native   bool          // it ran on the host
	Release  string        // kernel release it ran on
	Accel    Accel         // what QEMU used
	Boot     time.Duration // QEMU's start to the job's start
	Job      time.Duration // the job's start to its end
	Dmesg    string        // the guest's kernel log
	Alerts   []string      // what the kernel complained about (warnings, stalls, oopses)
}

var (
	nameRE = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
	debRE  = regexp.MustCompile(`^[a-z0-9][a-z0-9+.-]+$`)
)

// WithDefaults returns c with every zero field replaced by its default.
func (c Config) WithDefaults() Config {
	set := func(p *int, v int) {
		if *p == 0 {
			*p = v
		}
	}
	if c.Kernel == "" {
		c.Kernel = DefaultKernel
	}
	set(&c.MemoryMiB, DefaultMemoryMiB)
	if c.ICount {
		set(&c.CPUs, 1)
	}
	set(&c.CPUs, DefaultCPUs)
	if c.Accel == "" {
		c.Accel = AccelTCG
	}
	if c.Native == "" {
		c.Native = NativeNever
	}
	if c.Timeout == 0 {
		c.Timeout = DefaultTimeout
	}
	if c.BootTimeout == 0 {
		c.BootTimeout = DefaultBootTimeout
	}
	if c.Log == nil {
		c.Log = io.Discard
	}
	return c
}

// Validate reports every field that is out of range; zero fields are fine.
func (c Config) Validate() error {
	c = c.WithDefaults()
	var errs []error
	bad := func(name string, value any, allowed string) {
		errs = append(errs, param.Invalid("vm: Config", name, value, allowed))
	}
	if !seriesRE.MatchString(c.Kernel) && !releaseRE.MatchString(c.Kernel) {
		bad("Kernel", c.Kernel, "a series such as 6.12 or 6.1, or a release such as 6.12.117+deb12-amd64")
	}
	if c.MemoryMiB < 256 || c.MemoryMiB > 65536 {
		bad("MemoryMiB", c.MemoryMiB, "256 to 65536")
	}
	if c.CPUs < 1 || c.CPUs > 64 {
		bad("CPUs", c.CPUs, "1 to 64")
	}
	if c.ICount && c.CPUs != 1 {
		bad("CPUs", c.CPUs, "1 with ICount: the guest's CPUs would take turns in long slices")
	}
	if !slices.Contains([]Accel{AccelTCG, AccelKVM, AccelAuto}, c.Accel) {
		bad("Accel", c.Accel, "tcg, kvm or auto")
	}
	if c.ICount && c.Accel != AccelTCG {
		bad("Accel", c.Accel, "tcg with ICount: instructions are counted by TCG only")
	}
	if !slices.Contains([]Native{NativeNever, NativeAuto, NativeAlways}, c.Native) {
		bad("Native", c.Native, "never, auto or always")
	}
	if c.Veth && c.NoRXE {
		bad("Veth", c.Veth, "false with NoRXE")
	}
	if c.Veth && c.Native != NativeNever {
		bad("Veth", c.Veth, "false unless Native is never: it changes how the machine routes")
	}
	if c.Timeout < 0 {
		bad("Timeout", c.Timeout, "positive, or 0 for the default")
	}
	if c.BootTimeout < 0 {
		bad("BootTimeout", c.BootTimeout, "positive, or 0 for the default")
	}
	for _, m := range c.Modules {
		if !slices.Contains(ExtraModules, m) {
			bad("Modules", m, "one of "+strings.Join(ExtraModules, ", "))
		}
	}
	for _, p := range c.Packages {
		if !debRE.MatchString(p) {
			bad("Packages", p, "Debian package names")
		}
	}
	return errors.Join(errs...)
}

// Validate reports what makes j impossible to run.
func (j Job) Validate() error {
	var errs []error
	bad := func(name string, value any, allowed string) {
		errs = append(errs, param.Invalid("vm: Job", name, value, allowed))
	}
	if len(j.Args) == 0 || j.Args[0] == "" {
		bad("Args", j.Args, "a program and its arguments")
	}
	for _, a := range j.Args {
		if strings.ContainsRune(a, 0) {
			bad("Args", a, "free of NUL bytes")
		}
	}
	for _, e := range j.Env {
		name, value, ok := strings.Cut(e, "=")
		if !ok || !nameRE.MatchString(name) || strings.ContainsRune(value, 0) {
			bad("Env", e, "NAME=VALUE")
		}
	}
	for _, d := range []struct{ name, path string }{{"Dir", j.Dir}, {"Share", j.Share}} {
		if d.path == "" {
			continue
		}
		if st, err := os.Stat(d.path); err != nil || !st.IsDir() {
			bad(d.name, d.path, "an existing folder")
		}
	}
	return errors.Join(errs...)
}

// cacheDir returns where kernels are kept between runs, an absolute path.
func (c Config) cacheDir() (string, error) {
	dir := c.CacheDir
	if dir == "" {
		dir = os.Getenv("EVD_CACHE")
	}
	if dir == "" {
		if base, err := os.UserCacheDir(); err == nil {
			dir = filepath.Join(base, "evd")
		} else {
			dir = ".cache" // no HOME at all: inside the checkout, ignored by git
		}
	}
	return filepath.Abs(dir)
}
