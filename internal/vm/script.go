package vm

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// sharePath is where the guest sees the writable share.
const sharePath = "/run/evd/share"

// hidden are the host folders that the guest's own mounts cover.
var hidden = []string{"/tmp", "/run", "/var/run", "/dev", "/proc", "/sys"}

// shellQuote makes s one word of a POSIX shell.
func shellQuote(s string) string {
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// jobScript is the shell script that runs j's command in the guest.
func jobScript(j Job, env []string) string {
	var b strings.Builder
	b.WriteString("unset OLDPWD\n")
	for _, e := range slices.Concat(env, j.Env) {
		name, value, _ := strings.Cut(e, "=")
		fmt.Fprintf(&b, "export %s=%s\n", name, shellQuote(value))
	}
	fmt.Fprintf(&b, "cd %s || exit 125\nexec", shellQuote(j.Dir))
	for _, a := range j.Args {
		b.WriteString(" " + shellQuote(a))
	}
	b.WriteString("\n")
	return b.String()
}

// guestEnv is the environment every job gets.
func guestEnv(release string) []string {
	return []string{
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"HOME=/tmp", "TMPDIR=/tmp", "LANG=C.UTF-8", "TERM=dumb",
		"EVD_VM=" + release, "EVD_SHARE=" + sharePath,
	}
}

// bindsFor returns those of the folders that the guest would not see without
// help because they lie under a hidden one. Paths must be absolute and clean.
func bindsFor(dirs ...string) []string {
	var binds []string
	for _, d := range dirs {
		for _, h := range hidden {
			if strings.HasPrefix(d, h+"/") && !slices.Contains(binds, d) {
				binds = append(binds, d)
			}
		}
	}
	slices.Sort(binds) // a parent before what lies in it
	return binds
}

// moduleRoot returns the closest folder at or above dir that has a go.mod:
// tests run in a package's folder but read files of the whole module. If
// there is none it returns dir.
func moduleRoot(dir string, exists func(string) bool) string {
	for d := dir; ; d = filepath.Dir(d) {
		if exists(filepath.Join(d, "go.mod")) {
			return d
		}
		if d == filepath.Dir(d) {
			return dir
		}
	}
}
