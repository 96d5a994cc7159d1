package vm

import (
	"fmt"
	"runtime"
	"strconv"
)

const qemuProgram = "qemu-system-x86_64"

// wireFD is QEMU's file descriptor for the cable of RunPair.
const wireFD = 7

// commaEscape doubles commas, as QEMU's option syntax wants in values.
func commaEscape(s string) string {
	out := ""
	for _, r := range s {
		if r == ',' {
			out += ","
		}
		out += string(r)
	}
	return out
}

// qemuArgs builds QEMU's command line. The guest's console is QEMU's standard
// output; file descriptors 3 to 6 are the pipes behind its serial ports 1 to
// 4 (control, job's stdout, job's stderr, kernel log); after them, if there
// is one, comes the end of the cable to another guest.
func qemuArgs(c Config, accel Accel, kernel, initrd, share string) []string {
	args := []string{
		"-no-user-config", "-nodefaults", "-display", "none", "-no-reboot",
		"-serial", "stdio", "-M", "pc",
		"-m", strconv.Itoa(c.MemoryMiB), "-smp", strconv.Itoa(c.CPUs),
	}
	switch {
	case c.ICount:
		args = append(args, "-accel", "tcg,thread=single", "-icount", "shift=0,sleep=off", "-cpu", "qemu64")
	case accel == AccelKVM:
		args = append(args, "-accel", "kvm", "-cpu", "host")
	default:
		args = append(args, "-accel", "tcg,thread=multi", "-cpu", "qemu64")
	}
	args = append(
		args, "-kernel", kernel, "-initrd", initrd,
		// tsc=reliable: emulated, the TSC gets marked unstable after 20 s and
		// every clock read becomes a slow device access. oops=panic: a broken
		// kernel ends the run instead of hanging it. no_timer_check: on a host
		// with much else to do, the test of the timer fails, and the boot with it.
		"-append", "console=ttyS0 quiet tsc=reliable no_timer_check panic=-1 oops=panic",
		"-virtfs", "local,path=/,mount_tag=root,security_model=none,readonly=on,multidevs=remap",
		"-virtfs", "local,path="+commaEscape(share)+",mount_tag=share,security_model=none,multidevs=remap",
		"-device", "virtio-serial-pci",
	)
	for i, name := range []string{"ctl", "out", "err", "dmesg"} {
		args = append(
			args,
			"-chardev", fmt.Sprintf("file,id=%s,path=/dev/fd/%d", name, i+3),
			"-device", fmt.Sprintf("virtserialport,nr=%d,chardev=%s,name=evd.%s", i+1, name, name),
		)
	}
	if c.wire != nil {
		args = append(
			args, "-netdev", fmt.Sprintf("dgram,id=wire,local.type=fd,local.str=%d", wireFD),
			"-device", fmt.Sprintf("virtio-net-pci,netdev=wire,romfile=,mac=52:54:00:00:00:%02x", c.node),
		)
	}
	return args
}

// supported tells whether this platform can run guests at all.
func supported() error {
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		return fmt.Errorf("vm: guests need linux/amd64, this is %s/%s", runtime.GOOS, runtime.GOARCH)
	}
	return nil
}
