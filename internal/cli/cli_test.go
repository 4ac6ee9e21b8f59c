package cli_test

import (
	"context"
	"os"
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
			return nil
		},
	})
}
