package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// keysOf lists the keys of a JSON document by their paths: of lists, those of the first.
func keysOf(v any, path string, all map[string]bool) {
	switch v := v.(type) {
	case map[string]any:
		for k, x := range v {
			all[path+k] = true
			keysOf(x, path+k+".", all)
		}
	case []any:
		if len(v) > 0 {
			keysOf(v[0], path, all)
		}
	}
}

// What is not a result has a version and stable keys too: those who read it rely on them.
// A key that goes away or is called otherwise needs another version.
func TestDocuments(t *testing.T) {
	t.Chdir(t.TempDir())
	for i, name := range []string{"a.json", "b.json"} {
		var reps []string
		for k := range 6 {
			reps = append(reps, fmt.Sprintf(`{"config":{"workload":"bw"},"results":{"operations":9,"per_second":%d}}`, 1_000_000+100_000*i+1000*k))
		}
		text := `{"schema":2,"command":"bw","version":"v1","reps":[` + strings.Join(reps, ",") + `]}`
		require.NoError(t, os.WriteFile(filepath.Clean(name), []byte(text), 0o644))
	}
	for _, x := range []struct {
		args, schema string
		keys         string // some of them
	}{
		{
			"doctor -o json", "schema",
			"env env.cpus env.kernel env.clock env.go findings findings.check findings.level findings.says findings.fixes verdict",
		},
		{
			"cqs -o json", "schema",
			"drivers drivers.name drivers.what drivers.commands drivers.available drivers.devices drivers.capabilities",
		},
		{
			"check --cq timer --short --duration 10ms -o json", "schema",
			"ok cq capabilities seed results results.name results.promise results.verdict results.rounds results.details" +
				" results.promised_by results.took_ns untested interrupted",
		},
		{
			"compare a.json b.json -o json", "compare_schema",
			"start command sides sides.name sides.source sides.version sides.reps sides.config sides.env primary confidence interval" +
				" comparisons comparisons.side comparisons.judgements comparisons.judgements.metric comparisons.judgements.verdict differences warnings",
		},
		{"version --json", "schema", "version go platform commit"},
	} {
		status, stdout, stderr := evdbench(t.Context(), strings.Fields(x.args)...)
		require.Zero(t, status, "%s: %s", x.args, stderr)
		var v map[string]any
		require.NoError(t, json.Unmarshal([]byte(stdout), &v), x.args)
		assert.IsType(t, float64(0), v[x.schema], x.args)
		all := map[string]bool{}
		keysOf(v, "", all)
		for _, k := range strings.Fields(x.keys) {
			assert.True(t, all[k], "%s: no %s; it has %v", x.args, k, slices.Sorted(maps.Keys(all)))
		}
	}
}
