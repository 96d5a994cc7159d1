package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// mutant is one mistake: what stands behind mutant("id") in an edit.
type mutant struct {
	id     string
	clause string // the label in the code, or the part that it is in
	what   string // the mistake
	tests  string // the scenarios that notice, by the end of their names, a|b
	model  string // the same mistake in model/cases.txt, if it is there
}

// unit tells whether the tests are no scenarios; what the table has is then an
// expression with the whole name.
func (m mutant) unit() bool { return strings.HasPrefix(m.tests, "^") }

// alternatives are the tests that each may notice the mistake.
func (m mutant) alternatives() []string { return strings.Split(m.tests, "|") }

// edit puts one mistake or several into a file of the repository. old must
// occur there exactly once.
type edit struct{ file, old, new string }

// suite is a package under test.
type suite struct {
	pkg     string // folder, and name of the package after the last slash
	mutants []mutant
	edits   []edit
	// pattern makes the -test.run expression of a mutant's tests.
	pattern          func(tests string) string
	imports, helpers string // of the file with what the edits may use
}

var suites = []suite{
	{"ring", slices.Concat(ringMutants, ringResizeMutants, ringLaneMutants), slices.Concat(ringEdits, ringEditsResize, ringEditsLane), ringTests, `import "os"`, ""},
	{"hwcq/mock", mockMutants, mockEdits, exploreTests, `import "os"`, ""},
	{"hwcq/uring", uringMutants, uringEdits, exploreTests, `import "os"`, ""},
	{"engine", slices.Concat(engineMutants, engineCNOMutants, engineViewMutants, engineResizeMutants, engineCapacityMutants, engineShareMutants, engineSpinMutants), slices.Concat(engineEdits, engineEditsMore, engineEditsBetween, engineEditsCNO, engineEditsView, engineEditsResize, capacityEdits, engineEditsShare, engineEditsSpin), exploreTests, "import (\n\t\"os\"\n\n\t\"github.com/evdengine/evd/internal/atom\"\n)", `
// spare is another token than the one that keeps two from being in Close.
func spare() atom.Token {
	t := atom.NewToken()
	t.Signal()
	return t
}
`},
}

// exploreTests and ringTests make the expressions; one that begins with ^ is
// used as it is.
func exploreTests(t string) string {
	if strings.HasPrefix(t, "^") {
		return t
	}
	return "^TestExplore(" + t + ")$"
}

func ringTests(t string) string {
	if strings.HasPrefix(t, "^") {
		return t
	}
	return "^TestExplore$/^(" + t + ")$"
}

// name is what the testing package calls a test of the table.
func (s suite) name(test string) string {
	return strings.NewReplacer("^", "", "$", "", "(", "", ")", "").Replace(s.pattern(test))
}

// helper is what the edits may use.
const helper = `package %s

%s

var selected = os.Getenv("EVD_MUTANT")

func mutant(id string) bool { return id == selected }

func pick[T any](c bool, yes, no T) T {
	if c {
		return yes
	}
	return no
}
%s`

// files returns the package's files with all mistakes in them, by path.
func (s suite) files(root string) (map[string]string, error) {
	out := map[string]string{}
	for _, e := range s.edits {
		text, ok := out[e.file]
		if !ok {
			b, err := os.ReadFile(filepath.Join(root, e.file))
			if err != nil {
				return nil, err
			}
			text = string(b)
		}
		if n := strings.Count(text, e.old); n != 1 {
			return nil, fmt.Errorf("%s: the text of an edit occurs %d times, not once:\n%s\nto be replaced by\n%s", e.file, n, e.old, e.new)
		}
		out[e.file] = strings.Replace(text, e.old, e.new, 1)
	}
	name := s.pkg[strings.LastIndexByte(s.pkg, '/')+1:]
	out[s.pkg+"/mutant_helper.go"] = fmt.Sprintf(helper, name, s.imports, s.helpers)
	return out, nil
}

// build compiles the package's tests with all mistakes in them into dir.
func (s suite) build(root, dir string) (bin string, err error) {
	files, err := s.files(root)
	if err != nil {
		return "", err
	}
	replace := map[string]string{}
	for path, text := range files {
		to := filepath.Join(dir, strings.ReplaceAll(path, "/", "-"))
		if err := os.WriteFile(to, []byte(text), 0o600); err != nil {
			return "", err
		}
		replace[filepath.Join(root, path)] = to
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	list := filepath.Join(dir, strings.ReplaceAll(s.pkg, "/", "-")+".json")
	if err := os.WriteFile(list, overlay, 0o600); err != nil {
		return "", err
	}
	bin = filepath.Join(dir, strings.ReplaceAll(s.pkg, "/", "-")+".test")
	cmd := exec.Command("go", "test", "-c", "-vet=off", "-tags", "explore", "-overlay", list, "-o", bin, "./"+s.pkg)
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%s with its mutants: %w\n%s", s.pkg, err, out)
	}
	return bin, nil
}

// none are the mutants of the model that have no twin here, and why.
var none = map[string]string{
	"m20":  "what it breaks is the order of posts that are under way at the same time, which nobody was promised; the model is stricter",
	"mh09": "who arms a port is who arms any CQ, and looks: R5",
	"m42":  "the pop and the swap are under one lock here, so their order does not show",
}
