package lint

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"strconv"
	"strings"
)

// Module is the import path of this repository's root.
const Module = "github.com/evdengine/evd"

// Problem is one complaint.
type Problem struct {
	Path string // slash-separated, from the repository's root
	Line int    // from 1; 0 for the file as a whole
	Text string
}

func (p Problem) String() string { return fmt.Sprintf("%s:%d: %s", p.Path, p.Line, p.Text) }

// File is one file of the tree.
type File struct {
	Path string // slash-separated, from the root
	Text string
	AST  *ast.File // nil if it is not Go, or belongs to a nested module
	fset *token.FileSet
}

// Dir is the folder the file is in, "." for the root.
func (f *File) Dir() string { return path.Dir(f.Path) }

// Test tells whether the go tool takes the file as a test.
func (f *File) Test() bool { return strings.HasSuffix(f.Path, "_test.go") }

// Unsafe tells whether the file's name announces unsafe code.
func (f *File) Unsafe() bool { return strings.HasSuffix(f.Path, "_unsafe.go") }

func (f *File) problem(at token.Pos, format string, args ...any) Problem {
	line := 0
	if at.IsValid() {
		line = f.fset.Position(at).Line
	}
	return Problem{f.Path, line, fmt.Sprintf(format, args...)}
}

// imports calls fn for every import.
func (f *File) imports(fn func(spec *ast.ImportSpec, importPath string)) {
	for _, s := range f.AST.Imports {
		if p, err := strconv.Unquote(s.Path.Value); err == nil {
			fn(s, p)
		}
	}
}

// importName is the name under which f imports importPath, "" if it does not.
func (f *File) importName(importPath string) (name string) {
	f.imports(func(s *ast.ImportSpec, p string) {
		if p != importPath {
			return
		}
		name = path.Base(p)
		if s.Name != nil {
			name = s.Name.Name
		}
	})
	return name
}

// Tree is a repository.
type Tree struct{ Files []*File }

// Go returns the parsed Go files, tests too if wanted.
func (t *Tree) Go(tests bool) []*File {
	var out []*File
	for _, f := range t.Files {
		if f.AST != nil && (tests || !f.Test()) {
			out = append(out, f)
		}
	}
	return out
}

// Find returns the file at p, or nil.
func (t *Tree) Find(p string) *File {
	for _, f := range t.Files {
		if f.Path == p {
			return f
		}
	}
	return nil
}

// skipped are folders with nothing of the repository's own in them.
var skipped = map[string]bool{".git": true, ".cache": true, "bin": true, "node_modules": true}

// textual are the endings of files that people write.
var textual = map[string]bool{
	".go": true, ".md": true, ".sh": true, ".mod": true, ".s": true, ".c": true, ".h": true, ".txt": true,
	".yml": true, ".yaml": true, ".toml": true, ".txtar": true, ".json": true, "": true,
}

// Load reads and parses the tree at fsys. Go files of nested modules are read
// but not parsed: they have rules of their own.
func Load(fsys fs.FS) (*Tree, error) {
	t := &Tree{}
	var nested []string
	err := fs.WalkDir(fsys, ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if skipped[d.Name()] {
				return fs.SkipDir
			}
			if _, err := fs.Stat(fsys, path.Join(p, "go.mod")); err == nil && p != "." {
				nested = append(nested, p+"/")
			}
			return nil
		}
		if !d.Type().IsRegular() || !textual[path.Ext(strings.TrimPrefix(d.Name(), "."))] {
			return nil
		}
		b, err := fs.ReadFile(fsys, p)
		if err != nil {
			return err
		}
		if len(b) > 0 && strings.IndexByte(string(b[:min(len(b), 8000)]), 0) >= 0 {
			return nil // a binary without an ending
		}
		t.Files = append(t.Files, &File{Path: p, Text: string(b), fset: token.NewFileSet()})
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, f := range t.Files {
		if path.Ext(f.Path) != ".go" || under(f.Path, nested) || strings.Contains(f.Path, "testdata/") {
			continue
		}
		if f.AST, err = parser.ParseFile(f.fset, f.Path, f.Text, parser.ParseComments|parser.SkipObjectResolution); err != nil {
			return nil, err
		}
	}
	return t, nil
}

func under(p string, folders []string) bool {
	for _, d := range folders {
		if strings.HasPrefix(p, d) {
			return true
		}
	}
	return false
}

// in tells whether folder dir is one of the packages or lies below one.
func in(dir string, packages ...string) bool {
	for _, p := range packages {
		if dir == p || strings.HasPrefix(dir, p+"/") {
			return true
		}
	}
	return false
}
