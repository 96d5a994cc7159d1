package vm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// MissingError says what the set-up lacks, and why it could not get it.
type MissingError struct {
	Packages []string // Debian packages, by name
	Why      string   // e.g. "not root"
	Err      error    // of the attempt, if there was one
}

func (e *MissingError) Error() string {
	s := fmt.Sprintf("vm: missing Debian packages: %s (%s)", strings.Join(e.Packages, " "), e.Why)
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s + "; as root: apt-get install " + strings.Join(e.Packages, " ")
}

func (e *MissingError) Unwrap() error { return e.Err }

// need is a program of the host and the package that has it.
type need struct{ program, pkg string }

// guestNeeds is what every guest needs from the host: the last two are run
// inside the guest, from the host's own file system.
var guestNeeds = []need{
	{qemuProgram, "qemu-system-x86"},
	{"busybox", "busybox-static"},
	{"rdma", "iproute2"},
}

// missing returns the packages of those needs that lookup does not find.
func missing(needs []need, lookup func(string) bool) []string {
	var pkgs []string
	for _, n := range needs {
		if !lookup(n.program) {
			pkgs = append(pkgs, n.pkg)
		}
	}
	return pkgs
}

// onHost finds a program in PATH or in the folders of system programs, which
// an ordinary user's PATH may lack.
func onHost(program string) bool {
	if _, err := exec.LookPath(program); err == nil {
		return true
	}
	for _, dir := range []string{"/usr/local/sbin", "/usr/sbin", "/sbin"} {
		if st, err := os.Stat(filepath.Join(dir, program)); err == nil && st.Mode()&0o111 != 0 {
			return true
		}
	}
	return false
}

// parseStatus returns those of pkgs that dpkg-query's lines of "PACKAGE
// STATUS" do not call installed.
func parseStatus(pkgs []string, lines string) []string {
	installed := map[string]bool{}
	for line := range strings.Lines(lines) {
		f := strings.Fields(line)
		if len(f) == 2 && f[1] == "installed" {
			installed[f[0]] = true
		}
	}
	return slices.DeleteFunc(slices.Clone(pkgs), func(p string) bool { return installed[p] })
}

// apt runs Debian's package tools.
type apt struct {
	log     io.Writer
	updated bool
}

func (a *apt) run(ctx context.Context, dir, name string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C")
	var out, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &stderr
	err := cmd.Run()
	if err != nil {
		err = fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, lastLines(stderr.String(), 5))
	}
	return out.Bytes(), err
}

// update refreshes the package lists, once.
func (a *apt) update(ctx context.Context) error {
	if a.updated {
		return nil
	}
	a.updated = true
	fmt.Fprintln(a.log, "vm: apt-get update")
	_, err := a.run(ctx, "", "apt-get", "-q", "update")
	return err
}

// ensure installs what is missing of the programs and packages.
func (a *apt) ensure(ctx context.Context, needs []need, pkgs []string) error {
	lack := missing(needs, onHost)
	if len(pkgs) > 0 && onHost("dpkg-query") {
		args := append([]string{"-W", "-f", "${Package} ${db:Status-Status}\n"}, pkgs...)
		out, _ := a.run(ctx, "", "dpkg-query", args...) // exits 1 for unknown names, which count as lacking
		lack = append(lack, parseStatus(pkgs, string(out))...)
	}
	if len(lack) == 0 {
		return nil
	}
	switch {
	case !onHost("apt-get"):
		return &MissingError{Packages: lack, Why: "this is not a Debian system: no apt-get"}
	case os.Geteuid() != 0:
		return &MissingError{Packages: lack, Why: "not root"}
	}
	fmt.Fprintln(a.log, "vm: apt-get install", strings.Join(lack, " "))
	install := append([]string{"-q", "-y", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=300", "install"}, lack...)
	_, err := a.run(ctx, "", "apt-get", install...)
	if err != nil { // the lists may be old or absent
		if uerr := a.update(ctx); uerr != nil {
			return &MissingError{Packages: lack, Why: "apt-get install failed; no network?", Err: errors.Join(err, uerr)}
		}
		_, err = a.run(ctx, "", "apt-get", install...)
	}
	if err != nil {
		return &MissingError{Packages: lack, Why: "apt-get install failed", Err: err}
	}
	return nil
}

// newestKernel asks the package lists for the newest release satisfying want.
func (a *apt) newestKernel(ctx context.Context, want string) (string, error) {
	name := packagePrefix + want + "*-amd64"
	if !onHost("apt-cache") {
		return "", &MissingError{Packages: []string{name}, Why: "this is not a Debian system: no apt-cache"}
	}
	search := func() (string, error) {
		out, err := a.run(ctx, "", "apt-cache", "search", "--names-only", searchPattern(want))
		return newestRelease(strings.Split(string(out), "\n"), want), err
	}
	release, err := search()
	if err == nil && release == "" && os.Geteuid() == 0 {
		if err = a.update(ctx); err == nil {
			release, err = search()
		}
	}
	if err == nil && release == "" {
		err = errors.New("no such package in the package lists; apt-get update?")
	}
	if err != nil {
		return "", &MissingError{Packages: []string{name}, Why: "kernel not found", Err: err}
	}
	return release, nil
}

// download fetches a package's file into dir and returns its path. Nothing is
// installed: the host's own boot is left alone.
func (a *apt) download(ctx context.Context, dir, pkg string) (string, error) {
	fmt.Fprintln(a.log, "vm: apt-get download", pkg)
	_, err := a.run(ctx, dir, "apt-get", "-q", "download", pkg)
	if err != nil && os.Geteuid() == 0 { // the lists may name a file that the mirror no longer has
		if a.update(ctx) == nil {
			_, err = a.run(ctx, dir, "apt-get", "-q", "download", pkg)
		}
	}
	if err != nil {
		return "", &MissingError{Packages: []string{pkg}, Why: "download failed; no network?", Err: err}
	}
	debs, _ := filepath.Glob(filepath.Join(dir, "*.deb"))
	if len(debs) != 1 {
		return "", &MissingError{Packages: []string{pkg}, Why: "download left no file"}
	}
	return debs[0], nil
}
