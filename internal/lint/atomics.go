package lint

import (
	"go/ast"
	"regexp"
	"slices"
	"strings"
)

// atomicHomes may import sync/atomic, each for a reason. Everything else up to
// the engine uses internal/atom, whose types the explorer can schedule; above
// it nothing is explored.
var atomicHomes = map[string]string{
	"internal/atom":    "it is the wrapper",
	"internal/explore": "it schedules the wrapped ones with real ones",
	"hwcq/rxe":         "its rings are shared with the kernel, which no explorer can schedule",
}

func atomicPlaces(t *Tree) []Problem {
	var out []Problem
	for _, f := range t.Go(false) {
		if atomicHomes[f.Dir()] != "" || !in(f.Dir(), append(library, "internal")...) {
			continue
		}
		f.imports(func(s *ast.ImportSpec, p string) {
			if p == "sync/atomic" {
				out = append(out, f.problem(s.Pos(), "imports sync/atomic: use internal/atom"))
			}
		})
	}
	return out
}

var rawAtomicRE = regexp.MustCompile(`^(Load|Store|Add|And|Or|Swap|CompareAndSwap)(Int32|Int64|Uint32|Uint64|Uintptr|Pointer)$`)

// typedAtomics refuses atomic.LoadUint64 and its like, also in tests: they
// leave the variable open to plain access.
func typedAtomics(t *Tree) []Problem {
	var out []Problem
	for _, f := range t.Go(true) {
		name := f.importName("sync/atomic")
		if name == "" {
			continue
		}
		if name == "." {
			out = append(out, f.problem(f.AST.Package, "imports sync/atomic with a dot: calls cannot be told"))
			continue
		}
		for sel := range selectors(f.AST, name) {
			if rawAtomicRE.MatchString(sel.Sel.Name) {
				out = append(out, f.problem(sel.Pos(), "atomic.%s: use a typed atomic", sel.Sel.Name))
			}
		}
	}
	return out
}

// unsafeHomes may import unsafe in any file, each for a reason.
var unsafeHomes = map[string]string{
	"internal/atom":    "hooks take addresses of plain memory",
	"internal/explore": "the race check keeps addresses of plain memory",
}

// unsafePlaces keeps unsafe in files named *_unsafe.go. Elsewhere one use
// alone is allowed: the address that a hook of internal/atom takes.
func unsafePlaces(t *Tree) []Problem {
	var out []Problem
	for _, f := range t.Go(false) {
		name := f.importName("unsafe")
		if name == "" || f.Unsafe() || unsafeHomes[f.Dir()] != "" {
			continue
		}
		fine := map[ast.Node]bool{}
		if atom := f.importName(Module + "/internal/atom"); atom != "" {
			ast.Inspect(f.AST, func(n ast.Node) bool {
				call, ok := n.(*ast.CallExpr)
				if !ok || !isSelector(call.Fun, atom, "PlainRead", "PlainWrite") || len(call.Args) != 1 {
					return true
				}
				if conv, ok := call.Args[0].(*ast.CallExpr); ok && isSelector(conv.Fun, name, "Pointer") {
					fine[conv.Fun] = true
				}
				return true
			})
		}
		if name == "_" || name == "." {
			out = append(out, f.problem(f.AST.Package, "imports unsafe as %s: move it to a *_unsafe.go file", name))
		}
		for sel := range selectors(f.AST, name) {
			if !fine[sel] {
				out = append(out, f.problem(sel.Pos(), "unsafe.%s outside a *_unsafe.go file", sel.Sel.Name))
			}
		}
	}
	return out
}

// fencedCommits keeps CommitRelease out of engine and hwcq: who publishes there looks at
// another word next, which a processor may load before the store is seen.
func fencedCommits(t *Tree) []Problem {
	var out []Problem
	for _, f := range t.Go(false) {
		if d := f.Dir(); d != "engine" && d != "hwcq" && !strings.HasPrefix(d, "hwcq/") {
			continue
		}
		ast.Inspect(f.AST, func(n ast.Node) bool {
			if sel, ok := n.(*ast.SelectorExpr); ok && sel.Sel.Name == "CommitRelease" {
				out = append(out, f.problem(sel.Pos(), "CommitRelease: use Commit, a load follows"))
			}
			return true
		})
	}
	return out
}

// selectors yields every name.X of the file.
func selectors(root ast.Node, name string) func(func(*ast.SelectorExpr) bool) {
	return func(yield func(*ast.SelectorExpr) bool) {
		more := true
		ast.Inspect(root, func(n ast.Node) bool {
			if sel, ok := n.(*ast.SelectorExpr); ok && more && isSelector(sel, name) {
				more = yield(sel)
			}
			return more
		})
	}
}

// isSelector tells whether e is pkg.X, for one of the names if any are given.
func isSelector(e ast.Expr, pkg string, names ...string) bool {
	sel, ok := e.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	id, ok := sel.X.(*ast.Ident)
	return ok && id.Name == pkg && (len(names) == 0 || slices.Contains(names, sel.Sel.Name))
}
