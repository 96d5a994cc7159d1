package rxe

import (
	"bytes"
	"go/ast"
	"go/build/constraint"
	"go/parser"
	"go/printer"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// exportedFuncs returns the exported functions and methods of the files, as
// name to signature.
func exportedFuncs(t *testing.T, files []string) map[string]string {
	out := map[string]string{}
	for _, name := range files {
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, name, nil, 0)
		require.NoError(t, err)
		for _, d := range f.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || !fn.Name.IsExported() {
				continue
			}
			key := fn.Name.Name
			if fn.Recv != nil {
				var b bytes.Buffer
				require.NoError(t, printer.Fprint(&b, fset, fn.Recv.List[0].Type))
				recv := strings.TrimPrefix(b.String(), "*")
				if !ast.IsExported(recv) {
					continue
				}
				key = recv + "." + key
			}
			var sig []string
			for _, list := range []*ast.FieldList{fn.Type.Params, fn.Type.Results} {
				if list == nil {
					continue
				}
				for _, p := range list.List {
					var b bytes.Buffer
					require.NoError(t, printer.Fprint(&b, fset, p.Type))
					for range max(1, len(p.Names)) {
						sig = append(sig, b.String())
					}
				}
				sig = append(sig, ";")
			}
			out[key] = strings.Join(sig, " ")
		}
	}
	return out
}

// Other platforms offer the same functions, so that what compiles here
// compiles there.
func TestStubParity(t *testing.T) {
	all, err := filepath.Glob("*.go")
	require.NoError(t, err)
	var stub, linux []string
	for _, name := range all {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		linuxOnly := strings.HasSuffix(name, "_linux.go")
		src, err := os.ReadFile(name)
		require.NoError(t, err)
		first, _, _ := strings.Cut(string(src), "\n")
		if expr, err := constraint.Parse(first); err == nil {
			on := func(tags ...string) bool {
				return expr.Eval(func(tag string) bool {
					for _, s := range tags {
						if s == tag {
							return true
						}
					}
					return false
				})
			}
			if on("darwin", "arm64") && !linuxOnly {
				stub = append(stub, name)
				continue
			}
			linuxOnly = on("linux", "amd64")
		}
		if linuxOnly {
			linux = append(linux, name)
		}
	}
	require.NotEmpty(t, stub)
	require.Equal(t, exportedFuncs(t, linux), exportedFuncs(t, stub))
}
