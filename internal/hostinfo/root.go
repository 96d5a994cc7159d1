// Package hostinfo reads what stands in /proc and /sys about a host. It reads from
// any file system, so that tests have hosts of their own.
package hostinfo

import (
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

// Root is the root of a host's files.
type Root struct{ fs.FS }

// Text is what stands in a file, without space around it; "" if it cannot be read.
// Paths have no leading slash.
func (r Root) Text(name string) string {
	b, err := fs.ReadFile(r.FS, name)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// Int is the number in a file; ok is false if there is none.
func (r Root) Int(name string) (n int64, ok bool) {
	n, err := strconv.ParseInt(r.Text(name), 10, 64)
	return n, err == nil
}

// Exists tells whether there is such a file or folder.
func (r Root) Exists(name string) bool {
	_, err := fs.Stat(r.FS, name)
	return err == nil
}

// Names lists a folder, sorted; nil if it cannot be read.
func (r Root) Names(dir string) (names []string) {
	entries, err := fs.ReadDir(r.FS, dir)
	if err != nil {
		return nil
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// List reads a list of CPUs or nodes as the kernel writes it, such as 0-3,6. What
// is none is empty.
func List(s string) (list []int) {
	for part := range strings.SplitSeq(strings.TrimSpace(s), ",") {
		first, last, isRange := strings.Cut(part, "-")
		a, err := strconv.ParseUint(first, 10, 16)
		b := a
		if err == nil && isRange {
			b, err = strconv.ParseUint(last, 10, 16)
		}
		if err != nil {
			return nil
		}
		for ; a <= b; a++ {
			list = append(list, int(a))
		}
	}
	return list
}

// Ranges is the reverse of List.
func Ranges(list []int) string {
	var parts []string
	for i := 0; i < len(list); {
		j := i
		for j+1 < len(list) && list[j+1] == list[j]+1 {
			j++
		}
		part := strconv.Itoa(list[i])
		if j > i {
			part += "-" + strconv.Itoa(list[j])
		}
		parts = append(parts, part)
		i = j + 1
	}
	return strings.Join(parts, ",")
}

// word is the value of a parameter of the kernel's command line.
func word(cmdline, name string) string {
	for w := range strings.FieldsSeq(cmdline) {
		if v, ok := strings.CutPrefix(w, name+"="); ok {
			return v
		}
	}
	return ""
}

// perCPU are the values that a file of each CPU has, each once, sorted.
func (r Root) perCPU(cpus []int, file string) (values []string) {
	for _, n := range cpus {
		v := r.Text(path.Join(cpuDir, "cpu"+strconv.Itoa(n), file))
		if v != "" && !slices.Contains(values, v) {
			values = append(values, v)
		}
	}
	slices.Sort(values)
	return values
}
