package lint

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

// treeOf makes a tree of path, content pairs.
func treeOf(t *testing.T, files ...string) *Tree {
	t.Helper()
	fsys := fstest.MapFS{}
	for i := 0; i < len(files); i += 2 {
		fsys[files[i]] = &fstest.MapFile{Data: []byte(files[i+1])}
	}
	tree, err := Load(fsys)
	require.NoError(t, err)
	return tree
}

func ruleNamed(t *testing.T, name string) func(*Tree) []Problem {
	t.Helper()
	for _, r := range Rules() {
		if r.Name == name {
			return r.Check
		}
	}
	t.Fatalf("no rule %q", name)
	return nil
}

// at says where a rule complained: "path:line path:line".
func at(ps []Problem) string {
	var out []string
	for _, p := range ps {
		out = append(out, fmt.Sprintf("%s:%d", p.Path, p.Line))
	}
	return strings.Join(out, " ")
}

// TestEveryRuleBites feeds each rule something bad and something good.
func TestEveryRuleBites(t *testing.T) {
	const m = Module
	long := "package p\n" + strings.Repeat("// x\n", maxLines)
	slash := "/" // fixtures must not trip the rules themselves
	cases := []struct {
		rule  string
		files []string
		want  string // where it complains; "" = nowhere
	}{
		{"imports point down", []string{"ring/a.go", "package ring\nimport _ \"" + m + "/engine\""}, "ring/a.go:2"},
		{"imports point down", []string{"ring/a_test.go", "package ring\nimport _ \"" + m + "/engine\""}, ""},
		{"imports point down", []string{"internal/a/a.go", "package a\nimport _ \"" + m + "/ring\""}, "internal/a/a.go:2"},
		{"imports point down", []string{"engine/a.go", "package engine\nimport (\n\t_ \"" + m + "/hwcq\"\n\t_ \"" + m + "/ring\"\n\t_ \"fmt\"\n\t_ \"golang.org/x/sys/unix\"\n)"}, ""},
		{"imports point down", []string{"engine/a.go", "package engine\nimport _ \"" + m + "/hwcq/mock\""}, "engine/a.go:2"},
		{"imports point down", []string{"engine/a.go", "package engine\nimport _ \"" + m + "/bench\""}, "engine/a.go:2"},
		{"imports point down", []string{"engine/a.go", "package engine\nimport _ \"github.com/stretchr/testify/require\""}, "engine/a.go:2"},
		{"imports point down", []string{"engine/a.go", "package engine\nimport _ \"golang.org/x/sync/errgroup\""}, "engine/a.go:2"},
		{"imports point down", []string{"engine/a.go", "package engine\nimport _ \"" + m + "/internal/vm\""}, "engine/a.go:2"},
		{"imports point down", []string{"hwcq/a.go", "package hwcq\nimport _ \"" + m + "/hwcq/rxe\""}, "hwcq/a.go:2"},
		{"imports point down", []string{"hwcq/rxe/a.go", "package rxe\nimport _ \"" + m + "/hwcq/mock\""}, "hwcq/rxe/a.go:2"},
		{"imports point down", []string{"hwcq/rxe/a.go", "package rxe\nimport (\n\t_ \"" + m + "/hwcq\"\n\t_ \"" + m + "/hwcq/rxe/sub\"\n)"}, ""},
		{"imports point down", []string{"extra/a.go", "package extra\nimport _ \"fmt\""}, "extra/a.go:2"},
		{"imports point down", []string{"cmd/x/a.go", "package main\nimport (\n\t_ \"" + m + "/engine\"\n\t_ \"example.org/x\"\n)"}, ""},
		{"imports point down", []string{"bench/r/go.mod", "module r", "bench/r/a.go", "package r\nimport _ \"" + m + "/cmd/x\""}, ""},

		{"atomics stay in their places", []string{"engine/a.go", "package engine\nimport _ \"sync/atomic\""}, "engine/a.go:2"},
		{"atomics stay in their places", []string{"hwcq/mock/a.go", "package mock\nimport a \"sync/atomic\"\nvar _ a.Bool"}, "hwcq/mock/a.go:2"},
		{"atomics stay in their places", []string{"bench/a.go", "package bench\nimport _ \"sync/atomic\""}, ""},
		{"atomics stay in their places", []string{"engine/a_test.go", "package engine\nimport _ \"sync/atomic\"", "internal/atom/a.go", "package atom\nimport _ \"sync/atomic\""}, ""},

		{"only typed atomics", []string{"hwcq/rxe/a_test.go", "package rxe\nimport x \"sync/atomic\"\nvar v uint64\nvar _ = x.LoadUint64(&v)"}, "hwcq/rxe/a_test.go:4"},
		{"only typed atomics", []string{"hwcq/rxe/a.go", "package rxe\nimport . \"sync/atomic\"\nvar _ Bool"}, "hwcq/rxe/a.go:1"},
		{"only typed atomics", []string{"hwcq/rxe/a.go", "package rxe\nimport \"sync/atomic\"\nvar v atomic.Uint64\nvar _ = v.Load()"}, ""},

		{"unsafe stays in its places", []string{"ring/a.go", "package ring\nimport \"unsafe\"\nvar _ = unsafe.Sizeof(0)"}, "ring/a.go:3"},
		{"unsafe stays in its places", []string{"ring/a.go", "package ring\nimport _ \"unsafe\""}, "ring/a.go:1"},
		{"unsafe stays in its places", []string{"ring/a.go", "package ring\nimport (\n\t\"unsafe\"\n\t\"" + m + "/internal/atom\"\n)\nfunc f(p *int) { atom.PlainRead(unsafe.Pointer(p)) }"}, ""},
		{"unsafe stays in its places", []string{"ring/a.go", "package ring\nimport (\n\t\"unsafe\"\n\t\"" + m + "/internal/atom\"\n)\nfunc f(p *int) { atom.PlainRead(unsafe.Pointer(unsafe.StringData(\"\"))) }"}, "ring/a.go:6"},
		{"unsafe stays in its places", []string{"ring/a.go", "package ring\nimport \"unsafe\"\nfunc f(p *int) unsafe.Pointer { return nil }"}, "ring/a.go:3"},
		{"the engine publishes with a fence", []string{"engine/a.go", "package engine\nfunc f(r ring) { r.CommitRelease(1) }"}, "engine/a.go:2"},
		{"the engine publishes with a fence", []string{"ring/a.go", "package ring\nfunc f(r ring) { r.CommitRelease(1) }", "hwcq/rxe/a.go", "package rxe\nfunc f(r ring) { r.Commit(1) }"}, ""},
		{"unsafe stays in its places", []string{"hwcq/rxe/m_unsafe.go", "package rxe\nimport \"unsafe\"\nvar _ = unsafe.Sizeof(0)", "ring/a_test.go", "package ring\nimport _ \"unsafe\""}, ""},

		{"files are short", []string{"cmd/x/a.go", long}, "cmd/x/a.go:0"},
		{"files are short", []string{"cmd/x/a_test.go", long, "cmd/x/b_table.go", long, "cmd/x/c.go", long[:len(long)-5]}, ""},
		{"files are short", []string{"cmd/x/g.go", "// Code generated by x. DO NOT EDIT.\n" + long}, ""},

		{"exported names are documented", []string{"ring/a.go", "// Package ring is.\npackage ring\nfunc F() {}\ntype T int\nfunc (t *T) M() {}\nvar V, w = 1, 2\nconst C = 1"}, "ring/a.go:3 ring/a.go:4 ring/a.go:5 ring/a.go:6 ring/a.go:7"},
		{"exported names are documented", []string{"ring/a.go", "package ring"}, "ring/a.go:0"},
		{"exported names are documented", []string{"ring/a_linux.go", "// Package ring is.\npackage ring\n// F does.\nfunc F() {}", "ring/stub.go", "package ring\nfunc F() {}\nfunc G() {}"}, "ring/stub.go:3"},
		{"exported names are documented", []string{"ring/a.go", "// Package ring is.\npackage ring\n// T is.\ntype T int\nfunc (T) String() {}\nfunc (T) Len() {}"}, "ring/a.go:6"},
		{"exported names are documented", []string{"ring/a.go", "// Package ring is.\npackage ring\n// F does.\nfunc F() {}\n// All.\nconst (\n\tA = 1\n\tB = 2\n)\nvar (\n\tC = 1 // C is.\n)\nfunc g() {}\ntype t[P any] struct{}\nfunc (t[P]) M() {}", "bench/b.go", "package bench\nfunc G() {}"}, ""},
		{"exported names are documented", []string{"ring/a.go", "// Package ring is.\npackage ring\n// T is.\ntype T[P any] struct{}\nfunc (*T[P]) M() {}"}, "ring/a.go:5"},

		{"the library is silent", []string{"engine/a.go", "package engine\nimport (\n\t\"fmt\"\n\t\"os\"\n)\nfunc f() {\n\tfmt.Println()\n\tos.Exit(1)\n\tprintln()\n\tfmt.Fprint(os.Stderr)\n\t_ = fmt.Errorf(\"\")\n}"}, "engine/a.go:7 engine/a.go:10 engine/a.go:8 engine/a.go:10 engine/a.go:9"},
		{"the library is silent", []string{"hwcq/rxe/a.go", "package rxe\nimport \"log\"\nvar _ log.Logger"}, "hwcq/rxe/a.go:2"},
		{"the library is silent", []string{"ring/a.go", "package ring\nimport \"log/slog\"\nfunc f(l *slog.Logger) {\n\tl.Info(\"\")\n\tslog.Info(\"\")\n}"}, "ring/a.go:5"},
		{"the library is silent", []string{"engine/a_test.go", "package engine\nfunc f() { println() }", "cmd/x/a.go", "package main\nfunc f() { println() }"}, ""},

		{"the README shows code that runs", []string{"README.md", "text\n```go\nx\n```\n"}, "README.md:2"},
		{"the README shows code that runs", []string{"README.md", "<!-- example: a_test.go Example -->\n```go\nx()\n```\n"}, "README.md:1"},
		{"the README shows code that runs", []string{"README.md", "<!-- example: cmd/a_test.go Example -->\n```go\nx()\n```\n", "cmd/a_test.go", "package a\nfunc Example() {\n\ty()\n}"}, "README.md:2"},
		{"the README shows code that runs", []string{"README.md", "```sh\nmake\n```\n<!-- example: cmd/a_test.go Example -->\n```go\nif x() {\n\ty()\n}\n```\n", "cmd/a_test.go", "package a\nfunc Example() {\n\tif x() {\n\t\ty()\n\t}\n\t// Output:\n\t// z\n}"}, ""},
		{"the README shows code that runs", []string{"README.md", "<!-- example: cmd/a_test.go Example -->\ntext\n"}, "README.md:1"},
		{"the README shows code that runs", []string{"README.md", "<!-- example: cmd/a_test.go Example -->\n```go\nx()\n"}, "README.md:2"},

		{"no path of one machine", []string{"docs/a.md", "fine\nsee " + slash + "work/x\n"}, "docs/a.md:2"},
		{"no path of one machine", []string{"Makefile", "a\n\tcd " + slash + "home/me\n"}, "Makefile:2"},
		{"no path of one machine", []string{"a.md", "a network" + slash + "work/x and $HOME" + slash + "work/y and ~" + slash + "x work" + slash + "s\n"}, ""},
	}
	bitten := map[string]bool{}
	for _, c := range cases {
		got := ruleNamed(t, c.rule)(treeOf(t, c.files...))
		require.Equal(t, c.want, at(got), "%s on %q", c.rule, c.files)
		bitten[c.rule] = bitten[c.rule] || len(got) > 0
	}
	for _, r := range Rules() {
		require.True(t, bitten[r.Name], "rule %q has no example that fails it", r.Name)
	}
}

func TestLoadRefusesBrokenGo(t *testing.T) {
	_, err := Load(fstest.MapFS{"a.go": {Data: []byte("not go")}})
	require.Error(t, err)
}

func TestLoadSkipsWhatIsNotOurs(t *testing.T) {
	tree := treeOf(t,
		"bin/x.go", "junk", ".git/config", "junk", "x/testdata/bad.go", "junk", "binary", "\x00\x01", "pic.png", "x",
		".ci/run", "#!/bin/bash\n")
	require.Len(t, tree.Files, 2)
	require.NotNil(t, tree.Find(".ci/run"))
	require.NotNil(t, tree.Find("x/testdata/bad.go"))
	require.Empty(t, tree.Go(true))
}
