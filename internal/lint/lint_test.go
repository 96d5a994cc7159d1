package lint

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestRepository runs every rule over the repository.
func TestRepository(t *testing.T) {
	root := filepath.Join("..", "..")
	require.FileExists(t, filepath.Join(root, "go.mod"))
	tree, err := Load(os.DirFS(root))
	require.NoError(t, err)
	require.NotEmpty(t, tree.Go(false))
	for _, r := range Rules() {
		t.Run(r.Name, func(t *testing.T) {
			for _, p := range r.Check(tree) {
				t.Error(p)
			}
		})
	}
}

// TestHomesAreInUse: an exception that nothing needs any more must go.
func TestHomesAreInUse(t *testing.T) {
	tree, err := Load(os.DirFS(filepath.Join("..", "..")))
	require.NoError(t, err)
	for pkg, homes := range map[string]map[string]string{"sync/atomic": atomicHomes, "unsafe": unsafeHomes} {
		for dir, why := range homes {
			require.NotEmpty(t, why, "the exception %s needs a reason", dir)
			used := false
			for _, f := range tree.Go(false) {
				used = used || f.Dir() == dir && f.importName(pkg) != ""
			}
			require.True(t, used, "%s does not import %s any more: remove the exception", dir, pkg)
		}
	}
}
