package lint

import (
	"go/ast"
	"go/token"
)

// exportedComments wants a comment at every exported name of the library, in
// one file of the package: a stub for other platforms need not repeat it.
// Constants and variables may share the comment of their group, or have
// theirs on the line.
func exportedComments(t *Tree) []Problem {
	var out []Problem
	documented := map[string]bool{} // folder, or folder and name
	names := func(visit func(f *File, n name)) {
		for _, f := range t.Go(false) {
			if in(f.Dir(), library...) {
				for _, n := range exportedNames(f) {
					visit(f, n)
				}
			}
		}
	}
	names(func(f *File, n name) {
		if n.documented {
			documented[f.Dir()+" "+n.text] = true
		}
	})
	names(func(f *File, n name) {
		if !documented[f.Dir()+" "+n.text] {
			documented[f.Dir()+" "+n.text] = true // say it once
			out = append(out, f.problem(n.at, "exported %s has no comment", n.text))
		}
	})
	return out
}

// name is a package clause or an exported declaration.
type name struct {
	text       string
	at         token.Pos
	documented bool
}

// selfEvident are methods whose meaning is the same for every type.
var selfEvident = map[string]bool{"String": true, "Error": true, "Unwrap": true}

func exportedNames(f *File) []name {
	out := []name{{"package " + f.AST.Name.Name, token.NoPos, f.AST.Doc.Text() != ""}}
	add := func(recv string, id *ast.Ident, docs ...*ast.CommentGroup) {
		n := name{text: id.Name, at: id.Pos()}
		if recv != "" {
			n.text = recv + "." + id.Name
		}
		for _, d := range docs {
			n.documented = n.documented || d.Text() != ""
		}
		if id.IsExported() && (recv == "" || ast.IsExported(recv) && !selfEvident[id.Name]) {
			out = append(out, n)
		}
	}
	for _, d := range f.AST.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			recv := ""
			if d.Recv != nil {
				recv = receiver(d.Recv.List[0].Type)
			}
			add(recv, d.Name, d.Doc)
		case *ast.GenDecl:
			for _, s := range d.Specs {
				switch s := s.(type) {
				case *ast.TypeSpec:
					add("", s.Name, d.Doc, s.Doc, s.Comment)
				case *ast.ValueSpec:
					for _, id := range s.Names {
						add("", id, d.Doc, s.Doc, s.Comment)
					}
				}
			}
		}
	}
	return out
}

// receiver returns the type name of a method's receiver.
func receiver(e ast.Expr) string {
	for {
		switch x := e.(type) {
		case *ast.StarExpr:
			e = x.X
		case *ast.IndexExpr:
			e = x.X
		case *ast.IndexListExpr:
			e = x.X
		case *ast.ParenExpr:
			e = x.X
		case *ast.Ident:
			return x.Name
		default:
			return "_"
		}
	}
}
