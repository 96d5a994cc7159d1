package vm

import (
	"context"
	"fmt"
	"os"
	"strings"
)

// Check is one line of Diagnose.
type Check struct {
	Name     string
	OK       bool
	Optional bool   // not needed for a guest
	Detail   string // what was found, or what to do
}

// Diagnose looks, without changing anything, at what a guest of configuration
// c needs and what the host offers.
func Diagnose(_ context.Context, c Config) []Check {
	var out []Check
	add := func(name string, err error, optional bool, found string) {
		if err != nil {
			found = err.Error()
		}
		out = append(out, Check{Name: name, OK: err == nil, Optional: optional, Detail: found})
	}
	if err := c.Validate(); err != nil {
		add("config", err, false, "")
		return out
	}
	c = c.WithDefaults()
	add("platform", supported(), false, "linux/amd64")
	debian := error(nil)
	if !onHost("apt-get") || !onHost("dpkg-deb") {
		debian = fmt.Errorf("no apt-get and dpkg-deb: packages must be there already")
	}
	add("debian", debian, true, "apt-get and dpkg-deb")
	for _, n := range guestNeeds {
		var err error
		if !onHost(n.program) {
			how := "will be installed"
			if os.Geteuid() != 0 || debian != nil {
				how = "as root: apt-get install " + n.pkg
			}
			err = fmt.Errorf("%s of package %s: %s", n.program, n.pkg, how)
		}
		add("program", err, err != nil && strings.HasSuffix(err.Error(), "installed"), n.program)
	}
	cache, err := c.cacheDir()
	release := ""
	if err == nil {
		if release = cachedRelease(cache, c.Kernel); release == "" {
			err = fmt.Errorf("no %s kernel in %s: will be downloaded (evdvm fetch)", c.Kernel, cache)
		}
	}
	add("kernel", err, true, release+" in "+cache)
	f, err := os.OpenFile("/dev/kvm", os.O_RDWR, 0)
	if err == nil {
		f.Close()
	}
	add("kvm", err, true, "/dev/kvm opens; whether it runs guests shows with -accel auto")
	add("native", nativeLacks(c, "/"), true, "rxe device "+rxeDevice("/"))
	return out
}
