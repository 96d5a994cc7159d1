package lint

import (
	"go/ast"
	"slices"
)

// fmtAllowed are the parts of fmt that print nothing.
var fmtAllowed = []string{
	"Errorf", "Sprintf", "Sprint", "Sprintln", "Appendf", "Append", "Appendln", "Stringer", "GoStringer", "Formatter", "State", "FormatString",
}

// slogLoud are the parts of log/slog that use the process's default logger;
// a *slog.Logger that the user hands in is fine.
var slogLoud = []string{
	"Debug", "DebugContext", "Info", "InfoContext", "Warn", "WarnContext", "Error", "ErrorContext",
	"Log", "LogAttrs", "Default", "SetDefault", "With", "NewTextHandler", "NewJSONHandler",
}

// librarySilence: the library neither prints nor ends the process.
func librarySilence(t *Tree) []Problem {
	var out []Problem
	for _, f := range t.Go(false) {
		if !in(f.Dir(), library...) {
			continue
		}
		f.imports(func(s *ast.ImportSpec, p string) {
			if p == "log" {
				out = append(out, f.problem(s.Pos(), "imports log: the library does not print"))
			}
		})
		forbid := func(pkg string, bad func(string) bool) {
			name := f.importName(pkg)
			if name == "" {
				return
			}
			for sel := range selectors(f.AST, name) {
				if bad(sel.Sel.Name) {
					out = append(out, f.problem(sel.Pos(), "%s.%s: the library neither prints nor exits", name, sel.Sel.Name))
				}
			}
		}
		forbid("fmt", func(n string) bool { return !slices.Contains(fmtAllowed, n) })
		forbid("log/slog", func(n string) bool { return slices.Contains(slogLoud, n) })
		forbid("os", func(n string) bool { return slices.Contains([]string{"Exit", "Stdout", "Stderr"}, n) })
		forbid("syscall", func(n string) bool { return n == "Exit" })
		ast.Inspect(f.AST, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok {
				if id, ok := call.Fun.(*ast.Ident); ok && (id.Name == "print" || id.Name == "println") {
					out = append(out, f.problem(id.Pos(), "%s: the library does not print", id.Name))
				}
			}
			return true
		})
	}
	return out
}
