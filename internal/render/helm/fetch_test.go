package helm_test

import (
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/registry"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	chartutil "helm.sh/helm/v4/pkg/chart/v2/util"
	helmregistry "helm.sh/helm/v4/pkg/registry"

	"github.com/skiff-dev/skiff/internal/config"
	"github.com/skiff-dev/skiff/internal/diag"
	"github.com/skiff-dev/skiff/internal/render"
	"github.com/skiff-dev/skiff/internal/render/helm"
)

// packed is the chart of folder as an archive. Helm's own folders are in the test's.
func packed(t *testing.T) (dir, file string) {
	t.Helper()
	dir = folder(t, nil)
	for _, name := range []string{"HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME"} {
		t.Setenv(name, filepath.Join(dir, name))
	}
	c, err := loader.LoadDir(filepath.Join(dir, "chart"))
	if err != nil {
		t.Fatal(err)
	}
	if file, err = chartutil.Save(c, filepath.Join(dir, "repo")); err != nil {
		t.Fatal(err)
	}
	return dir, file
}

// pushed serves the chart from a registry; it returns the address.
func pushed(t *testing.T, file string) string {
	t.Helper()
	s := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(s.Close)
	client, err := helmregistry.NewClient(helmregistry.ClientOptPlainHTTP(), helmregistry.ClientOptWriter(io.Discard))
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	host := strings.TrimPrefix(s.URL, "http://")
	if _, err := client.Push(data, host+"/charts/show:1.2.3"); err != nil {
		t.Fatal(err)
	}
	return "oci://" + host + "/charts"
}

func TestChartsAreFetchedFromRepositoriesAndRegistries(t *testing.T) {
	dir, file := packed(t)
	oci := pushed(t, file)
	asked := 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		if r.URL.Path == "/index.yaml" {
			_, _ = w.Write([]byte("apiVersion: v1\nentries:\n  show:\n  - {apiVersion: v2, name: show, version: 1.2.3, urls: [show-1.2.3.tgz]}\n"))
			return
		}
		http.FileServer(http.Dir(filepath.Join(dir, "repo"))).ServeHTTP(w, r)
	}))
	defer s.Close()
	parent := func(repository string) map[string]string {
		return map[string]string{"parent/Chart.yaml": "apiVersion: v2\nname: parent\nversion: 0.1.0\ndependencies: [{name: show, version: ^1, repository: '" + repository + "'}]\n"}
	}
	for _, tt := range []struct {
		name    string
		release config.HelmRelease
		files   map[string]string
		want    string // "": it works; else in the error
	}{
		{"a repository", config.HelmRelease{RemoteChart: "show", Repo: s.URL}, nil, ""},
		{"a repository, with a version", config.HelmRelease{RemoteChart: "show", Repo: s.URL, Version: "^1.0"}, nil, ""},
		{"the address of an archive", config.HelmRelease{RemoteChart: s.URL + "/show-1.2.3.tgz"}, nil, ""},
		{"a registry", config.HelmRelease{RemoteChart: oci + "/show"}, nil, ""},
		{"a registry, with a version", config.HelmRelease{RemoteChart: oci + "/show", Version: "1.2.3"}, nil, ""},
		{"an archive of the project", config.HelmRelease{ChartPath: file}, nil, ""},
		{"a dependency from a repository", config.HelmRelease{ChartPath: "parent"}, parent(s.URL), ""},
		{"a dependency from a registry", config.HelmRelease{ChartPath: "parent"}, parent(oci), ""},
		{"a version that is not there", config.HelmRelease{RemoteChart: "show", Repo: s.URL, Version: "2.0.0"}, nil, "chart show of " + s.URL + ", version 2.0.0 cannot be fetched"},
		{"a repository that nobody added", config.HelmRelease{RemoteChart: "stable/show"}, nil, "chart stable/show cannot be fetched"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for name, text := range tt.files {
				write(t, filepath.Join(dir, name), text)
			}
			r := tt.release
			r.Name = "web"
			source, err := helm.New(options(dir, config.HelmFlags{}, &r))
			if err != nil {
				t.Fatal(err)
			}
			if tt.want != "" {
				_, err := source.Objects(t.Context(), render.Input{})
				if err == nil || !strings.Contains(err.Error(), tt.want) || diag.All(err)[0].Hint == "" {
					t.Errorf("error %v", err)
				}
				return
			}
			if got := text(t, source); !strings.Contains(got, "name: web") {
				t.Errorf("objects:\n%s", got)
			}
			before := asked
			text(t, source)
			if asked != before {
				t.Error("the chart is fetched again")
			}
		})
	}
	if entries, _ := os.ReadDir(filepath.Join(dir, "parent")); len(entries) != 1 {
		t.Errorf("the chart's folder has %d entries: something was written into it", len(entries))
	}
}
