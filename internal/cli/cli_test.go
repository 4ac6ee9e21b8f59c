package cli_test

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/skiff-dev/skiff/internal/cli"
)

// TestMain makes the test binary a skiff of its own, which the scripts run.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"skiff": func() { os.Exit(cli.Main(context.Background(), cli.OS())) },
	})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			// Nothing of the machine's own settings counts.
			e.Setenv("HOME", e.WorkDir)
			e.Setenv("XDG_CACHE_HOME", e.WorkDir+"/.cache")
			e.Setenv("KUBECONFIG", e.WorkDir+"/none")
			e.Setenv("DOCKER_HOST", "unix://"+e.WorkDir+"/none.sock")
			e.Setenv("SERVER", serve(e))
			return nil
		},
	})
}

// serve hands out the files of the script's folder; SERVER in them becomes the server's address.
func serve(e *testscript.Env) (address string) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		data, err := os.ReadFile(filepath.Join(e.WorkDir, filepath.FromSlash(r.URL.Path)))
		if err != nil {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write(bytes.ReplaceAll(data, []byte("SERVER"), []byte(address)))
	}))
	e.Defer(server.Close)
	return server.URL
}
