package assemble

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/skiff-dev/skiff/internal/config"
	"github.com/skiff-dev/skiff/internal/image"
	"github.com/skiff-dev/skiff/internal/tree"
)

// shop is a registry with a base image, and a project.
type shop struct {
	testing.TB
	host string
	dir  string
	full int
	b    *Builder
	a    *config.Artifact
	args map[string]string
	odd  string
}

// Name, Inputs, Settings, Describe and Build are the full builder's, which counts how often it is asked, and refuses.
func (s *shop) Name() string { return "docker" }
func (s *shop) Inputs(context.Context, *config.Artifact) (image.Inputs, error) {
	return nil, nil
}
func (s *shop) Settings(image.Request) (any, error) { return nil, nil }
func (s *shop) Describe(r image.Request) (image.Dockerfile, error) {
	return image.Dockerfile{
		Context: s.dir, File: filepath.Join(s.dir, "Dockerfile"), Ignore: filepath.Join(s.dir, ".dockerignore"), Args: s.args, Odd: s.odd,
	}, nil
}
func (s *shop) Build(context.Context, image.Request, func(string)) (image.Result, error) {
	s.full++
	return image.Result{Image: "web", Digest: "sha256:full"}, nil
}

func newShop(t testing.TB, files map[string]string) *shop {
	t.Helper()
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(server.Close)
	s := &shop{TB: t, host: strings.TrimPrefix(server.URL, "http://"), dir: t.TempDir(), a: &config.Artifact{Image: "web", Docker: &config.DockerArtifact{}}}
	for file, text := range files {
		s.write(file, strings.ReplaceAll(text, "BASE", s.host+"/base:1"))
	}
	s.pushBase()
	index, err := tree.OpenIndex("")
	if err != nil {
		t.Fatal(err)
	}
	s.b = New(s, Options{Dir: t.TempDir(), Registry: image.NewRegistry(nil, nil), Index: index})
	return s
}

// pushBase puts an image with some users, a link and a sticky folder into the registry.
func (s *shop) pushBase() {
	s.Helper()
	passwd := "root:x:0:0::/:/bin/sh\nweb:x:33:44::/:/bin/sh\n"
	nodes := []*node{
		{Path: "bin", Mode: os.ModeSymlink | 0o777, Link: "usr/bin"}, {Path: "etc", Mode: os.ModeDir | 0o755},
		{Path: "etc/passwd", Mode: 0o644, Size: int64(len(passwd)), Digest: sum(passwd), from: content{data: []byte(passwd)}},
		{Path: "tmp", Mode: os.ModeDir | os.ModeSticky | 0o777}, {Path: "usr", Mode: os.ModeDir | 0o755}, {Path: "usr/bin", Mode: os.ModeDir | 0o755},
	}
	p, err := pack(s.Context(), nodes, string(types.DockerLayer))
	if err != nil {
		s.Fatal(err)
	}
	rc, err := p.blob.Open()
	if err != nil {
		s.Fatal(err)
	}
	data, err := io.ReadAll(rc)
	if err != nil {
		s.Fatal(err)
	}
	img, err := mutate.Append(empty.Image, mutate.Addendum{Layer: static.NewLayer(data, types.DockerLayer), History: v1.History{CreatedBy: "base"}})
	if err == nil {
		img, err = mutate.ConfigFile(img, withDiff(img, p.DiffID))
	}
	ref, parsed := name.ParseReference(s.host + "/base:1")
	if err == nil {
		err = parsed
	}
	if err == nil {
		err = remote.Write(ref, img)
	}
	if err != nil {
		s.Fatal(err)
	}
}

// withDiff is the configuration of an image of one layer; ggcr takes a static layer's stored digest for that of its contents.
func withDiff(img v1.Image, diff string) *v1.ConfigFile {
	conf, err := img.ConfigFile()
	if err != nil {
		return nil
	}
	conf = conf.DeepCopy()
	hash, err := v1.NewHash(diff)
	if err != nil {
		return nil
	}
	conf.RootFS.DiffIDs = []v1.Hash{hash}
	conf.OS, conf.Architecture, conf.Config.Env = "linux", "amd64", []string{"PATH=/bin", "FROMBASE=yes"}
	return conf
}

func sum(text string) string { return strings.TrimPrefix(image.Sum([]byte(text)), "sha256:") }

func (s *shop) write(file, text string) {
	s.Helper()
	at := filepath.Join(s.dir, file)
	if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
		s.Fatal(err)
	}
	if err := os.WriteFile(at, []byte(text), 0o644); err != nil {
		s.Fatal(err)
	}
}

func (s *shop) build() image.Result {
	s.Helper()
	res, err := s.b.Build(s.Context(), image.Request{Artifact: s.a, Ref: s.host + "/web:1", Push: true}, func(string) {})
	if err != nil {
		s.Fatal(err)
	}
	return res
}

// files are the entries of all layers of an image but the base's, and the number of its layers.
func (s *shop) files(res image.Result) map[string]string {
	s.Helper()
	m, err := s.b.o.Registry.Fetch(s.Context(), res.Ref, v1.Platform{OS: "linux", Architecture: "amd64"})
	if err != nil {
		s.Fatal(err)
	}
	im, err := parse(m)
	if err != nil {
		s.Fatal(err)
	}
	all, err := s.b.stackOf(s.Context(), im, len(im.Layers), 0).all()
	if err != nil {
		s.Fatal(err)
	}
	found := map[string]string{}
	for p, n := range all.nodes {
		found[p] = fmt.Sprintf("%v %d:%d %s%.6s", n.Mode, n.UID, n.GID, n.Link, n.Digest)
	}
	return found
}

const threeSteps = "FROM BASE\nENV A=1\nWORKDIR /srv\nCOPY lib /srv/lib\nCOPY --chown=web . /srv\nCMD [\"x\"]\n"

func TestADockerfileThatRunsNothingIsAssembledAndThenOnlyWhatChanged(t *testing.T) {
	s := newShop(t, map[string]string{"Dockerfile": threeSteps, "lib/a": "a", "main": "1", ".dockerignore": "*.log\n", "no.log": "x"})
	step := func(name, how string, change func(), want map[string]string, gone ...string) {
		t.Helper()
		change()
		res := s.build()
		if res.How != how || s.full > 0 || res.WorkDir != "/srv" || !res.Pushed {
			t.Fatalf("%s: %+v, full builds %d", name, res, s.full)
		}
		have := s.files(res)
		for p, line := range want {
			if have[p] != line {
				t.Errorf("%s: %s is %q, want %q", name, p, have[p], line)
			}
		}
		for _, p := range gone {
			if line, ok := have[p]; ok {
				t.Errorf("%s: %s is there: %s", name, p, line)
			}
		}
	}
	step("first", "assembled: 3 of 4 layers new", func() {}, map[string]string{
		"srv": "drwxr-xr-x 0:0 ", "srv/main": "-rw-r--r-- 33:44 " + sum("1")[:6], "srv/lib/a": "-rw-r--r-- 33:44 " + sum("a")[:6], "bin": "Lrwxrwxrwx 0:0 usr/bin",
	}, "srv/no.log")
	step("one file", "assembled: 1 of 4 layers new", func() { s.write("main", "2") }, map[string]string{"srv/main": "-rw-r--r-- 33:44 " + sum("2")[:6]})
	step("a file of two steps", "assembled: 2 of 4 layers new", func() { s.write("lib/a", "b") }, map[string]string{"srv/lib/a": "-rw-r--r-- 33:44 " + sum("b")[:6]})
	step("a new folder", "assembled: 1 of 4 layers new", func() { s.write("new/deep/f", "f") }, map[string]string{"srv/new/deep/f": "-rw-r--r-- 33:44 " + sum("f")[:6]})
	step("a deleted file", "assembled: 1 of 4 layers new", func() { os.Remove(filepath.Join(s.dir, "main")) }, nil, "srv/main")
	step("nothing", "assembled: 0 of 4 layers new", func() {}, nil, "srv/main")
	// What was remembered is found by the next session.
	s.b = New(s, s.b.o)
	step("in another session", "assembled: 1 of 4 layers new", func() { s.write("main", "3") }, map[string]string{"srv/main": "-rw-r--r-- 33:44 " + sum("3")[:6]})
}

func TestTheSameFilesMakeTheSameImage(t *testing.T) {
	s := newShop(t, map[string]string{"Dockerfile": threeSteps, "lib/a": "a"})
	first := s.build()
	o := s.b.o
	o.Dir = t.TempDir()
	s.b = New(s, o)
	if second := s.build(); second.Digest != first.Digest {
		t.Errorf("%s and %s", first.Digest, second.Digest)
	}
}

func TestWhatIsNotCertainIsBuiltInFull(t *testing.T) {
	for _, tt := range []struct {
		name, dockerfile, why string
		change                func(s *shop)
	}{
		{"a RUN step", "FROM BASE\nRUN x\nCOPY . /srv\n", "its Dockerfile runs commands", nil},
		{"a user that the image does not know", "FROM BASE\nCOPY --chown=nobody . /srv\n", "the image below knows no user nobody", nil},
		{"an option for the engine", "FROM BASE\nCOPY . /srv\n", "docker.squash is for the engine", func(s *shop) { s.odd = "docker.squash" }},
		{"another syntax", "# syntax=me/own:1\nFROM BASE\nCOPY . /srv\n", "the Dockerfile asks for the syntax me/own:1", nil},
		{"a base that is not there", "FROM nowhere.invalid/x:1\nCOPY . /srv\n", "nowhere.invalid/x:1 cannot be read from its registry", nil},
		{"a URL", "FROM BASE\nADD https://nowhere.invalid/x /x\n", "it takes files from https://nowhere.invalid/x", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newShop(t, map[string]string{"Dockerfile": tt.dockerfile, "f": "x"})
			if tt.change != nil {
				tt.change(s)
			}
			res := s.build()
			if s.full != 1 || !strings.HasPrefix(res.How, "in full: "+tt.why) {
				t.Errorf("full builds %d, %q", s.full, res.How)
			}
		})
	}
}

func BenchmarkAgain(b *testing.B) {
	files := map[string]string{"Dockerfile": threeSteps, "lib/a": "a", "main": "1"}
	for i := range 30 {
		files[fmt.Sprintf("src/%d.py", i)] = strings.Repeat("print(1)\n", 100)
	}
	s := newShop(b, files)
	s.build()
	n := 100
	for b.Loop() {
		n++
		s.write("main", fmt.Sprint(n))
		if res := s.build(); res.How != "assembled: 1 of 4 layers new" {
			b.Fatal(res.How)
		}
	}
}
