package lint

import (
	"go/ast"
	"strings"
)

// layers orders the top-level folders: an import must not point up.
var layers = map[string]int{"internal": 0, "ring": 1, "hwcq": 2, "engine": 3, "conn": 4, "observe": 4, "bench": 5, "examples": 6, "cmd": 6}

// extern lists what the layers below bench may import from elsewhere.
var extern = []string{"golang.org/x/sys"}

// importDirection checks the package graph of ARCHITECTURE: internal, ring,
// hwcq, engine and observe import the standard library, x/sys and what is below them.
// Tests may import anything.
func importDirection(t *Tree) []Problem {
	var out []Problem
	for _, f := range t.Go(false) {
		f.imports(func(s *ast.ImportSpec, p string) {
			if why := importAllowed(f.Dir(), p); why != "" {
				out = append(out, f.problem(s.Pos(), "must not import %s: %s", p, why))
			}
		})
	}
	return out
}

// importAllowed returns "" or the reason why a package in dir must not import p.
func importAllowed(dir, p string) string {
	top, rest, _ := strings.Cut(dir, "/")
	self, known := layers[top]
	if !known {
		return "folder " + top + " has no place in the layers"
	}
	if p != Module && !strings.HasPrefix(p, Module+"/") {
		first, _, _ := strings.Cut(p, "/")
		if self >= layers["bench"] || !strings.Contains(first, ".") || in(p, extern...) {
			return ""
		}
		return "only the standard library and x/sys below bench"
	}
	p = strings.TrimPrefix(strings.TrimPrefix(p, Module), "/")
	other, sub, _ := strings.Cut(p, "/")
	layer, known := layers[other]
	switch {
	case !known:
		return "it has no place in the layers"
	case layer > self:
		return top + " is below " + other
	case top == "engine" && other == "hwcq" && sub != "":
		return "the engine knows no concrete CQ"
	case top == "hwcq" && other == "hwcq" && rest == "":
		return "the interface knows no driver"
	case dir == "hwcq/verbs" && p == "hwcq/rxe":
		return "" // for its words: requests, addresses, the exchange
	case top == "hwcq" && other == "hwcq" && sub != "" && !in(rest, sub) && !in(sub, rest):
		return "a driver knows no other driver"
	case other == "internal" && in(sub, "lint"):
		return "package lint is for its own test"
	case other == "internal" && in(sub, "vm") && self < layers["bench"] && top != "internal":
		return "guests are for tests and commands"
	}
	return ""
}
