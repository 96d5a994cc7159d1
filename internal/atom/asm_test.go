//go:build !explore && !race

// The code under test here is that of normal builds, whatever the tags of the
// test are: once is enough.

package atom_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// listing is the code of a build: the instructions of each function.
type listing map[string][]instruction

type instruction struct{ name, operands, line string }

var (
	funcRE = regexp.MustCompile(`^(.+) STEXT `)
	insRE  = regexp.MustCompile(`^\t0x[0-9a-f]+ \d+ \(([^)]*)\)\t([A-Z0-9.]+)\t?(.*)$`)
	callRE = regexp.MustCompile(`^(CALL|JMP|BL|B)$`)
)

// compile builds packages in dir for an architecture in the way users do,
// without tags, and returns the compiler's listing.
func compile(t *testing.T, dir, arch string, pkgs ...string) listing {
	t.Helper()
	args := append([]string{"build", "-gcflags=-S", "-tags="}, pkgs...)
	cmd := exec.Command("go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH="+arch, "GOFLAGS=", "GOWORK=off", "CGO_ENABLED=0")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	l, fn := listing{}, ""
	for line := range bytes.Lines(out) {
		s := strings.TrimRight(string(line), "\n")
		if m := funcRE.FindStringSubmatch(s); m != nil {
			fn = m[1]
			l[fn] = []instruction{}
		} else if m := insRE.FindStringSubmatch(s); m != nil && fn != "" {
			l[fn] = append(l[fn], instruction{name: m[2], operands: m[3], line: m[1]})
		}
	}
	return l
}

// calls returns the places that have costly calls.
func (l listing) calls() (out []string) {
	for fn, ins := range l {
		for _, i := range ins {
			o := i.operands
			if callRE.MatchString(i.name) && costly.MatchString(o) && !pointers.MatchString(o) && !cold.MatchString(o) {
				out = append(out, fn+": "+i.name+" "+i.operands+" ("+i.line+")")
			}
		}
	}
	slices.Sort(out)
	return out
}

// code is a function's instructions without operands and bookkeeping.
func code(ins []instruction) (out []string) {
	for _, i := range ins {
		switch i.name {
		case "TEXT", "PCDATA", "FUNCDATA":
		default:
			out = append(out, i.name)
		}
	}
	return out
}

// costly are the calls that package atom must not lead to: atomics that were
// not inlined, and its own hooks. Those that write a pointer are calls for
// everybody, because of the garbage collector; and so is Spin.
var (
	costly   = regexp.MustCompile(`^(sync/atomic|github.com/evdengine/evd/internal/atom)\.`)
	pointers = regexp.MustCompile(`^sync/atomic\.(Store|Swap|CompareAndSwap)Pointer\(`)
	cold     = regexp.MustCompile(`^github.com/evdengine/evd/internal/atom\.(NewToken|NewCond|Go|Spin|Token\.[A-Za-z]+)\(`)
)

var architectures = []string{"amd64", "arm64"}

// TestNoCost compares a package that uses atom, and nothing else with
// atomics in it, with the same source using the standard packages.
func TestNoCost(t *testing.T) {
	src, err := os.ReadFile("testdata/sample/sample.go")
	if err != nil {
		t.Fatal(err)
	}
	direct := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(direct, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("go.mod", "module sample\n\ngo 1.26.0\n")
	write("sample.go", standard(string(src)))
	for _, arch := range architectures {
		t.Run(arch, func(t *testing.T) {
			aliases := compile(t, ".", arch, "./testdata/sample")
			plain := compile(t, direct, arch, ".")
			if c := aliases.calls(); len(c) > 0 {
				t.Errorf("calls that should be inlined:\n%s", strings.Join(c, "\n"))
			}
			const prefix = "github.com/evdengine/evd/internal/atom/testdata/sample"
			compared := 0
			for fn, ins := range plain {
				if !strings.HasPrefix(fn, "sample.") {
					continue
				}
				other, ok := aliases[prefix+strings.TrimPrefix(fn, "sample")]
				if !ok {
					t.Errorf("%s is missing", fn)
					continue
				}
				compared += len(code(ins))
				if a, p := code(other), code(ins); !slices.Equal(a, p) {
					t.Errorf("%s: with package atom\n%s\nwith the standard packages\n%s", fn, strings.Join(a, " "), strings.Join(p, " "))
				}
			}
			t.Logf("%d instructions compared", compared)
			if compared < 300 {
				t.Fatalf("only %d instructions compared: the listing was not understood", compared)
			}
		})
	}
}

// standard rewrites the sample to use the standard packages.
func standard(src string) string {
	src = regexp.MustCompile(`(?m)^.*atom\.Plain.*\n`).ReplaceAllString(src, "")
	src = strings.ReplaceAll(src, "atom.Exploring", "false")
	src = strings.ReplaceAll(src, "atom.Mutex", "sync.Mutex")
	src = strings.ReplaceAll(src, `"unsafe"`, `"sync"`)
	return strings.ReplaceAll(src, `"github.com/evdengine/evd/internal/atom"`, `atom "sync/atomic"`)
}

// TestNoCallsInTheLibrary looks at the packages that the aliases are for.
func TestNoCallsInTheLibrary(t *testing.T) {
	for _, arch := range architectures {
		l := compile(t, "../..", arch, "./ring", "./engine", "./hwcq/mock")
		for _, pkg := range []string{"ring", "engine", "hwcq/mock"} {
			atomics := 0
			for fn, ins := range l {
				if !strings.HasPrefix(fn, "github.com/evdengine/evd/"+pkg+".") {
					continue
				}
				for _, i := range ins {
					if strings.HasPrefix(i.name, "CMPXCHG") || strings.HasPrefix(i.name, "CAS") {
						atomics++
					}
				}
			}
			if atomics == 0 {
				t.Errorf("%s: no compare-and-swap in the code of %s: the listing was not understood", arch, pkg)
			}
		}
		if c := l.calls(); len(c) > 0 {
			t.Errorf("%s: calls that should be inlined:\n%s", arch, strings.Join(c, "\n"))
		}
	}
}

// TestListing checks the tests above: a package whose atomics are out of
// reach for the compiler is found out.
func TestListing(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod":        "module trap\n\ngo 1.26.0\n",
		"bare/bare.go":  "package bare\n\nimport \"sync/atomic\"\n\ntype Uint64 = atomic.Uint64\n",
		"user/user.go":  "package user\n\nimport \"trap/bare\"\n\ntype T struct{ n bare.Uint64 }\n\nfunc (t *T) Get() uint64 { return t.n.Load() }\n",
		"tidy/tidy.go":  "package tidy\n\nimport \"sync/atomic\"\n\ntype T struct{ n atomic.Uint64 }\n\nfunc (t *T) Get() uint64 { return t.n.Load() }\n",
		"other/hook.go": "package other\n\nfunc Hook() {}\n",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, arch := range architectures {
		if c := compile(t, dir, arch, "./tidy").calls(); len(c) != 0 {
			t.Errorf("%s: false alarm: %v", arch, c)
		}
		user := compile(t, dir, arch, "./user")
		if len(user["trap/user.(*T).Get"]) == 0 {
			t.Fatalf("%s: the listing was not understood: %v", arch, user)
		}
		// The day this fails, the compiler has learned to reach the bodies
		// through an alias, and mention can go.
		if c := user.calls(); len(c) == 0 {
			t.Errorf("%s: the bare alias costs nothing any more: %v", arch, user)
		}
	}
}
