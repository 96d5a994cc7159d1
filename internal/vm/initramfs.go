package vm

import (
	_ "embed"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

//go:embed init.sh
var initScript []byte

//go:embed net.sh
var netScript []byte

// settings is what one boot needs to know, packed into the initramfs.
type settings struct {
	modules []string // further modules to load
	rxe     bool     // rxe0 on dummy0
	net     string   // arguments of net.sh; "": no other network
	binds   []string // host folders to show although a mount hides them
	script  string   // the job, run by the host's /bin/sh
}

// writeInitramfs writes the archive that img boots with.
func writeInitramfs(w io.Writer, img image, busybox []byte, s settings) error {
	c := &cpioWriter{w: w}
	for _, d := range []string{"bin", "dev", "job", "modules"} {
		c.add(d, cpioDir, nil)
	}
	c.add("bin/busybox", cpioExec, busybox)
	c.add("init", cpioExec, initScript)
	c.add("net.sh", cpioFile, netScript)
	boot := img.order(bootModules)
	need := slices.Clone(boot)
	for _, m := range s.modules {
		order := img.order([]string{m})
		if len(order) == 0 && !img.BuiltIn[m] {
			return fmt.Errorf("vm: kernel %s has no module %s", img.Release, m)
		}
		c.add("modules/"+m+".order", cpioFile, []byte(strings.Join(order, "\n")+"\n"))
		need = append(need, order...)
	}
	slices.Sort(need)
	for _, m := range slices.Compact(need) {
		ko, err := os.ReadFile(filepath.Join(img.Dir, "modules", m+".ko"))
		if err != nil {
			return fmt.Errorf("vm: cached kernel is damaged (remove %s): %w", img.Dir, err)
		}
		c.add("modules/"+m+".ko", cpioFile, ko)
	}
	c.add("modules/order", cpioFile, []byte(strings.Join(boot, "\n")+"\n"))
	rxe := 0
	if s.rxe {
		rxe = 1
	}
	c.add("job/settings", cpioFile, fmt.Appendf(nil, "MODULES=%s\nRXE=%d\nNET=%s\n",
		shellQuote(strings.Join(s.modules, " ")), rxe, shellQuote(s.net)))
	binds := ""
	for _, b := range s.binds {
		binds += b + "\n"
	}
	c.add("job/binds", cpioFile, []byte(binds))
	c.add("job/run.sh", cpioFile, []byte(s.script))
	return c.close()
}
