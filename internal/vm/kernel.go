package vm

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

var (
	seriesRE  = regexp.MustCompile(`^[0-9]+\.[0-9]+$`)
	releaseRE = regexp.MustCompile(`^[0-9]+\.[0-9]+\.[0-9]+[-+.a-z0-9]*-amd64$`)
	// The plain flavour only: cloud has no rdma_rxe, rt is another scheduler,
	// dbg and unsigned are no bootable packages of their own.
	packageRE = regexp.MustCompile(`^linux-image-([0-9]+\.[0-9]+\.[0-9]+(?:-[0-9]+)?(?:\+deb[0-9]+(?:u[0-9]+)?)?(?:\+[0-9]+)?-amd64)$`)
	numberRE  = regexp.MustCompile(`[0-9]+`)
)

const packagePrefix = "linux-image-"

// inSeries tells whether release (6.12.117+deb12-amd64) satisfies want: a
// series (6.12) or exactly that release.
func inSeries(release, want string) bool {
	return release == want || seriesRE.MatchString(want) && strings.HasPrefix(release, want+".")
}

// releaseLess orders kernel releases by their numbers, field by field.
func releaseLess(a, b string) int {
	x, y := numberRE.FindAllString(a, -1), numberRE.FindAllString(b, -1)
	for i := range min(len(x), len(y)) {
		m, _ := strconv.Atoi(x[i])
		n, _ := strconv.Atoi(y[i])
		if m != n {
			return cmp.Compare(m, n)
		}
	}
	return cmp.Compare(len(x), len(y))
}

// newestRelease picks the newest release in want's series from package or
// release names, one a line as apt-cache prints them (text after the name is
// ignored). It returns "" when there is none.
func newestRelease(lines []string, want string) string {
	var found []string
	for _, line := range lines {
		name, _, _ := strings.Cut(strings.TrimSpace(line), " ")
		if m := packageRE.FindStringSubmatch(name); m != nil && inSeries(m[1], want) {
			found = append(found, m[1])
		}
	}
	if len(found) == 0 {
		return ""
	}
	return slices.MaxFunc(found, releaseLess)
}

// searchPattern is the apt-cache regular expression for want.
func searchPattern(want string) string {
	if seriesRE.MatchString(want) {
		return fmt.Sprintf("^%s%s\\.", packagePrefix, regexp.QuoteMeta(want))
	}
	return fmt.Sprintf("^%s%s$", packagePrefix, regexp.QuoteMeta(want))
}
