package lint

import (
	"go/ast"
	"regexp"
	"strings"
)

// A Go block of the README carries, on the line before its fence, the example
// whose body it is:
//
//	<!-- example: engine/example_test.go Example_ping -->
//
// The body counts up to its "// Output:" comment, without its indentation.
var markerRE = regexp.MustCompile(`^<!-- example: (\S+\.go) (Example\w*) -->$`)

// readmeSnippets compares README.md, if there is one, with its examples.
func readmeSnippets(t *Tree) []Problem {
	readme := t.Find("README.md")
	if readme == nil {
		return nil
	}
	var out []Problem
	lines := strings.Split(readme.Text, "\n")
	complain := func(i int, text string) { out = append(out, Problem{readme.Path, i + 1, text}) }
	for i := 0; i < len(lines); i++ {
		if !strings.HasPrefix(lines[i], "```go") {
			if markerRE.MatchString(lines[i]) && (i+1 == len(lines) || !strings.HasPrefix(lines[i+1], "```go")) {
				complain(i, "example marker without a Go block after it")
			}
			continue
		}
		start := i
		for i++; i < len(lines) && lines[i] != "```"; i++ {
		}
		if i == len(lines) {
			complain(start, "Go block without an end")
			break
		}
		var marker []string
		if start > 0 {
			marker = markerRE.FindStringSubmatch(lines[start-1])
		}
		if marker == nil {
			complain(start, "Go block without an example marker: nothing runs it")
			continue
		}
		want, ok := exampleBody(t, marker[1], marker[2])
		if !ok {
			complain(start-1, "no "+marker[2]+" in "+marker[1])
		} else if got := strings.Join(lines[start+1:i], "\n"); strings.TrimSpace(got) != want {
			complain(start, "differs from "+marker[2]+" in "+marker[1]+"; it should read:\n"+want)
		}
	}
	return out
}

func exampleBody(t *Tree, file, name string) (string, bool) {
	f := t.Find(file)
	if f == nil || f.AST == nil {
		return "", false
	}
	for _, d := range f.AST.Decls {
		fn, ok := d.(*ast.FuncDecl)
		if !ok || fn.Name.Name != name || fn.Recv != nil {
			continue
		}
		text := f.Text[f.fset.Position(fn.Body.Lbrace).Offset+1 : f.fset.Position(fn.Body.Rbrace).Offset]
		var body []string
		for line := range strings.SplitSeq(text, "\n") {
			line = strings.TrimPrefix(line, "\t")
			if strings.HasPrefix(line, "// Output:") || strings.HasPrefix(line, "// Unordered output:") {
				break
			}
			body = append(body, line)
		}
		return strings.TrimSpace(strings.Join(body, "\n")), true
	}
	return "", false
}
