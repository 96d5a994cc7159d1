package vm

import (
	"bytes"
	"debug/elf"
	"fmt"
	"path"
	"slices"
	"strings"
)

// bootModules are loaded in every guest, in this order, each after what it
// depends on. crc32_generic is asked for by rxe by algorithm name, so no
// dependency names it; without it adding the link fails without a reason.
var bootModules = []string{
	"virtio_pci", "virtio_console", "9pnet_virtio", "9p",
	"crc32_generic", "dummy", "rdma_rxe", "ib_uverbs", "rdma_ucm", "ib_umad",
}

// ExtraModules can be loaded on demand (Config.Modules).
var ExtraModules = []string{"veth", "sch_netem", "sch_ingress", "virtio_net", "crc32_pclmul", "null_blk", "siw"}

// optional modules are left out quietly if a kernel does not have them.
var optionalModules = []string{"crc32_pclmul", "crc32_generic", "null_blk", "siw"}

// moduleName turns ".../crc32-pclmul.ko.xz" into "crc32_pclmul".
func moduleName(p string) string {
	base, _, _ := strings.Cut(path.Base(p), ".ko")
	return strings.ReplaceAll(base, "-", "_")
}

// parseModinfo returns the direct dependencies that the .modinfo section
// names: NUL-separated key=value entries, of which "depends" is a
// comma-separated list. Soft "pre:" dependencies count as well.
func parseModinfo(section []byte) []string {
	var deps []string
	add := func(name string) {
		name = strings.ReplaceAll(name, "-", "_")
		if name != "" && !slices.Contains(deps, name) {
			deps = append(deps, name)
		}
	}
	for entry := range bytes.SplitSeq(section, []byte{0}) {
		key, value, _ := strings.Cut(string(entry), "=")
		switch key {
		case "depends":
			for name := range strings.SplitSeq(value, ",") {
				add(name)
			}
		case "softdep":
			pre := false
			for word := range strings.FieldsSeq(value) {
				if strings.HasSuffix(word, ":") {
					pre = word == "pre:"
				} else if pre {
					add(word)
				}
			}
		}
	}
	return deps
}

// moduleDeps reads the dependencies of a decompressed module.
func moduleDeps(ko []byte) ([]string, error) {
	f, err := elf.NewFile(bytes.NewReader(ko))
	if err != nil {
		return nil, err
	}
	s := f.Section(".modinfo")
	if s == nil {
		return nil, fmt.Errorf("no .modinfo section")
	}
	info, err := s.Data()
	if err != nil {
		return nil, err
	}
	return parseModinfo(info), nil
}

// loadOrder returns the modules to load for wanted, each after its
// dependencies and once. deps gives a module's direct dependencies; ok is
// false if the kernel has no such module (built in, or missing).
func loadOrder(wanted []string, deps func(string) (direct []string, ok bool)) []string {
	var order []string
	seen := map[string]bool{}
	var visit func(string)
	visit = func(name string) {
		if seen[name] {
			return // also ends a cycle, which soft dependencies can form
		}
		seen[name] = true
		direct, ok := deps(name)
		if !ok {
			return
		}
		for _, d := range direct {
			visit(d)
		}
		order = append(order, name)
	}
	for _, w := range wanted {
		visit(w)
	}
	return order
}
