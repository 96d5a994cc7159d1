//go:build linux && (amd64 || arm64)

package rxe

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/hwcq"
)

// row is the case's line of the table in docs/FAULTS.md.
func (c *statusCase) row() string {
	sees := func(s, s61 hwcq.Status) string {
		text := s.String()
		if s == none {
			text = "nothing"
		}
		if s61 != 0 {
			text += "; 6.1: " + s61.String()
		}
		return text
	}
	var in []string
	if !c.reqUp {
		in = append(in, "requester's")
	}
	if !c.respUp {
		in = append(in, "responder's")
	}
	after := "neither"
	if len(in) > 0 {
		after = strings.Join(in, ", ")
	}
	return "| " + strings.Join([]string{c.name, sees(c.req, c.req61), sees(c.resp, c.resp61), after, "`TestRXEStatus`"}, " | ") + " |"
}

// The table says what the tests hold the kernels to, no more and no less.
func TestStatusTable(t *testing.T) {
	b, err := os.ReadFile("../../docs/FAULTS.md")
	require.NoError(t, err)
	doc := string(b)
	for _, c := range statusCases {
		require.Contains(t, doc, c.row()+"\n")
	}
	require.Equal(t, len(statusCases)+1, strings.Count(doc, "| `TestRXEStatus` |\n"), "rows, and the heading")
}
