package cli

import (
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/skiff-dev/skiff/internal/config"
)

// origin is a repository on this machine that tests clone from.
type origin struct {
	t   *testing.T
	dir string
}

func newOrigin(t *testing.T) *origin {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("needs git")
	}
	o := &origin{t, t.TempDir()}
	o.git("init", "-q", "-b", "main")
	o.commit("first")
	return o
}

func (o *origin) git(args ...string) string {
	o.t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = o.dir
	cmd.Env = append(cmd.Environ(), "GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@example.com", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@example.com", "GIT_CONFIG_GLOBAL=/dev/null")
	out, err := cmd.CombinedOutput()
	if err != nil {
		o.t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// commit writes a project whose image has the given name, and is the commit.
func (o *origin) commit(image string) string {
	o.t.Helper()
	for name, text := range map[string]string{
		"skaffold.yaml":     "build: {artifacts: [{image: " + image + "}]}\nrequires: [{path: sub}]\n",
		"sub/skaffold.yaml": "build: {artifacts: [{image: " + image + "-sub}]}\n",
	} {
		path := filepath.Join(o.dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			o.t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("apiVersion: skaffold/v4beta14\nkind: Config\n"+text), 0o600); err != nil {
			o.t.Fatal(err)
		}
	}
	o.git("add", ".")
	o.git("commit", "-q", "-m", image)
	return o.git("rev-parse", "HEAD")
}

// images loads a project that requires the repository and names its images, or the fault.
func (o *origin) images(cache, source, command, policy string) string {
	o.t.Helper()
	dir := o.t.TempDir()
	text := "apiVersion: skaffold/v4beta14\nkind: Config\nrequires:\n- git: {repo: \"" + o.dir + "\"" + source + "}\n"
	if err := os.WriteFile(filepath.Join(dir, "skaffold.yaml"), []byte(text), 0o600); err != nil {
		o.t.Fatal(err)
	}
	w := World{Dir: dir, State: o.t.TempDir(), Err: io.Discard}
	c := w.clones(&options{remoteCacheDir: cache, syncRemoteCache: policy}, command)
	p, err := config.Load(context.Background(), config.Options{Dir: dir, Command: "dev", Fetch: c.fetch})
	if err != nil {
		return err.Error()
	}
	var names []string
	for _, c := range p.Configs {
		if c.Remote != strings.HasPrefix(c.File, cache) {
			o.t.Errorf("%s: Remote is %v", c.File, c.Remote)
		}
	}
	for _, a := range p.Artifacts() {
		names = append(names, a.Image)
	}
	return strings.Join(names, " ")
}

func TestConfigsComeFromGitAtTheWantedState(t *testing.T) {
	o, cache := newOrigin(t), t.TempDir()
	first := o.git("rev-parse", "HEAD")
	o.git("tag", "v1")
	o.git("checkout", "-q", "-b", "side")
	o.commit("side")
	o.git("checkout", "-q", "main")
	o.commit("second")
	for _, tt := range []struct{ source, want string }{
		{"", "second-sub second"},
		{", ref: main", "second-sub second"},
		{", ref: side", "side-sub side"},
		{", ref: v1", "first-sub first"},
		{", ref: v1", "first-sub first"}, // a second time: Skaffold fails here
		{", ref: " + first, "first-sub first"},
		{", ref: " + first[:10], "first-sub first"},
		{", path: sub", "second-sub"},
		{", path: sub/skaffold.yaml", "second-sub"},
		{", path: nowhere", "skaffold.yaml:4:3: " + o.dir + " has no nowhere"},
		{", path: ../x", `skaffold.yaml:4:3: the path "../x" leads out of the repository`},
		{", ref: nope", "skaffold.yaml:4:3: " + o.dir + " cannot be fetched: couldn't find remote ref nope"},
		{", ref: --upload-pack=x", "skaffold.yaml:4:3: the address and the ref of a repository cannot begin with a dash"},
	} {
		if diff := cmp.Diff(tt.want, o.images(cache, tt.source, "dev", "")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.source, diff)
		}
	}
}

func TestCloneIsBroughtUpToDateAsThePolicySays(t *testing.T) {
	o, cache := newOrigin(t), t.TempDir()
	if got := o.images(cache, "", "dev", "never"); !strings.Contains(got, "is not in the cache") {
		t.Errorf("never, without a clone: %s", got)
	}
	if got := o.images(cache, "", "dev", ""); got != "first-sub first" {
		t.Fatal(got)
	}
	o.commit("second")
	for _, tt := range []struct {
		source, command, policy, want string
	}{
		{"", "dev", "missing", "first-sub first"},
		{"", "dev", "never", "first-sub first"},
		{"", "diagnose", "", "first-sub first"},
		{", sync: false", "dev", "", "first-sub first"},
		{"", "dev", "", "second-sub second"},
	} {
		if got := o.images(cache, tt.source, tt.command, tt.policy); got != tt.want {
			t.Errorf("%+v: got %s", tt, got)
		}
	}
	if err := os.RemoveAll(o.dir); err != nil {
		t.Fatal(err)
	}
	if got := o.images(cache, "", "dev", ""); !strings.Contains(got, "cannot be fetched") {
		t.Errorf("the repository is gone: %s", got)
	}
	if got := o.images(cache, "", "dev", "missing"); got != "second-sub second" {
		t.Errorf("the repository is gone, missing: %s", got)
	}
	if left, _ := filepath.Glob(filepath.Join(cache, "clone-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestSeveralSessionsFetchOneRepositoryAtOnce(t *testing.T) {
	o, cache := newOrigin(t), t.TempDir()
	for _, round := range []string{"first", "second"} { // the first time it is cloned, then brought up to date
		if round == "second" {
			o.commit(round)
		}
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				c := World{Dir: o.dir, State: cache, Err: io.Discard}.clones(&options{remoteCacheDir: cache}, "dev")
				dir, err := c.fetch(context.Background(), &config.GitSource{Repo: o.dir})
				if err != nil {
					t.Error(err)
					return
				}
				if data, err := os.ReadFile(filepath.Join(dir, "skaffold.yaml")); err != nil || !strings.Contains(string(data), "image: "+round) {
					t.Errorf("%v: %s", err, data)
				}
			})
		}
		all.Wait()
	}
}
