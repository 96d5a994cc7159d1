package lint

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var switchRE = regexp.MustCompile(`^-D([A-Z]\w*)(=\w+)?$`)

// A switch of model/cases.txt that its model does not know would change
// nothing: the case would be another one, and a mutant none. A switch for a
// mistake that no case sets is one that nothing refutes.
func TestSwitchesOfModel(t *testing.T) {
	code := map[string]string{} // of the models, without comments
	set := map[string]bool{}    // by a case: file, space, switch
	cases := 0
	for _, line := range strings.Split(read(t, "model", "cases.txt"), "\n") {
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		cells := strings.Split(line, "|")
		require.Len(t, cells, 6, line)
		file := strings.TrimSpace(cells[1])
		if code[file] == "" {
			code[file] = pmComment.ReplaceAllString(read(t, "model", file), "")
		}
		for _, d := range strings.Fields(cells[4]) {
			m := switchRE.FindStringSubmatch(d)
			require.NotNil(t, m, "%q is no switch like -DNAME or -DNAME=1: %s", d, line)
			known := regexp.MustCompile(`\b` + m[1] + `\b`).MatchString(code[file])
			require.True(t, known, "%s does not know -D%s: %s", file, m[1], line)
			set[file+" "+m[1]] = true
		}
		cases++
	}
	require.Greater(t, cases, 100)
	for file, text := range code {
		for _, name := range regexp.MustCompile(`\bM_\w+`).FindAllString(text, -1) {
			require.True(t, set[file+" "+name], "no case sets %s of %s", name, file)
		}
	}
}
