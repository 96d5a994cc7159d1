//go:build linux && (amd64 || arm64)

package rxe

import (
	"cmp"
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// Sysfs directories, relative to /sys.
const (
	sysVerbs = "class/infiniband_verbs"
	sysIB    = "class/infiniband"
)

// errNoVerbs: the kernel has no uverbs interface at all.
var errNoVerbs = errors.New("no " + sysVerbs)

// listDevices finds the RDMA devices in sys, a view of /sys, by name. An
// entry that cannot be read is left out: devices come and go.
func listDevices(sys fs.FS) ([]DeviceInfo, error) {
	ents, err := fs.ReadDir(sys, sysVerbs)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, errNoVerbs
		}
		return nil, err
	}
	var devs []DeviceInfo
	for _, e := range ents {
		if !strings.HasPrefix(e.Name(), "uverbs") {
			continue // abi_version
		}
		name := readLine(sys, path.Join(sysVerbs, e.Name(), "ibdev"))
		if name == "" || !validName(name) {
			continue
		}
		d := DeviceInfo{Name: name, Node: "/dev/infiniband/" + e.Name()}
		// Only rxe gives its devices a "parent" attribute naming the network
		// interface (linux v6.12 drivers/infiniband/sw/rxe/rxe_verbs.c).
		if p := readLine(sys, path.Join(sysIB, name, "parent")); p != "" {
			d.RXE, d.NetDev = true, p
		}
		devs = append(devs, d)
	}
	slices.SortFunc(devs, func(a, b DeviceInfo) int {
		return cmp.Or(cmp.Compare(len(a.Name), len(b.Name)), cmp.Compare(a.Name, b.Name))
	})
	return devs, nil
}

// readLine returns the first line of a small file, "" if there is none.
func readLine(sys fs.FS, name string) string {
	b, err := fs.ReadFile(sys, name)
	if err != nil {
		return ""
	}
	s, _, _ := strings.Cut(string(b), "\n")
	return strings.TrimSpace(s)
}

// names lists device names for a message.
func names(devs []DeviceInfo, onlyRXE bool) string {
	var n []string
	for _, d := range devs {
		if d.RXE || !onlyRXE {
			n = append(n, d.Name)
		}
	}
	if len(n) == 0 {
		return "none"
	}
	return strings.Join(n, ", ")
}
