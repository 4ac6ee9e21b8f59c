package cli

import (
	"fmt"
	"path/filepath"
)

// remoteCache is the folder for repositories that projects require.
func (w World) remoteCache(o *options) string {
	if o.remoteCacheDir != "" {
		return w.path(o.remoteCacheDir)
	}
	return filepath.Join(w.State, "repos")
}

// tellFetching says why it takes a moment: the project is not loaded yet, so no event can.
func (w World) tellFetching(repo string) {
	fmt.Fprintf(w.Err, "fetching %s\n", repo)
}
