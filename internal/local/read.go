package local

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/skiff-dev/skiff/internal/config"
	"github.com/skiff-dev/skiff/internal/diag"
)

// Reader reads what an artifact's recipe says: its Dockerfile, or what ko is told. shown is a path as messages show it.
func Reader(host Host, shown func(path string) string) func(a *config.Artifact) (Image, error) {
	read := func(a *config.Artifact) (Image, error) {
		switch {
		case a.Ko != nil:
			return koImage(a, host)
		case a.Docker != nil && a.Custom == nil && a.Kaniko == nil && a.Bazel == nil && a.Jib == nil && a.Buildpacks == nil:
			return dockerImage(a, host, shown)
		}
		// What another builder makes is not known; skiff.yaml says how it runs, or the plan says that nothing does.
		return Image{Name: a.Image, Context: a.Context, Dir: "/"}, nil
	}
	return func(a *config.Artifact) (Image, error) {
		img, err := read(a)
		img.Platforms = a.Platforms
		return img, err
	}
}

func dockerImage(a *config.Artifact, host Host, shown func(string) string) (Image, error) {
	file := a.Docker.Dockerfile
	if !filepath.IsAbs(file) {
		file = filepath.Join(a.Context, file)
	}
	data, err := host.Read(file)
	if errors.Is(err, fs.ErrNotExist) {
		if wd, err := os.ReadFile(a.Docker.Dockerfile); err == nil { // relative to the working folder, as Skaffold has it
			data, file = wd, a.Docker.Dockerfile
		} else {
			e := diag.Errorf("correct docker.dockerfile", "image %q: there is no Dockerfile at %s", a.Image, shown(file))
			e.Code = diag.CodeBuild
			return Image{}, e
		}
	} else if err != nil {
		return Image{}, diag.WithCode(diag.CodeBuild, err)
	}
	return ReadImage(Recipe{Name: a.Image, Context: a.Context, File: shown(file), Data: data, Target: a.Docker.Target, Args: a.Docker.BuildArgs}, host)
}

// koImage is a Go program without a Dockerfile.
func koImage(a *config.Artifact, host Host) (Image, error) {
	k := a.Ko
	c := Compile{Dir: filepath.Join(a.Context, filepath.FromSlash(k.Dir)), Args: append([]string{"go", "build"}, k.Flags...), Package: "./" + strings.TrimPrefix(k.Main, "./")}
	if rest, ok := strings.CutPrefix(a.Image, "ko://"); ok {
		c.Package = rest
	}
	if path.Clean(c.Package) == "." {
		c.Package = "."
	}
	if len(k.Ldflags) > 0 {
		c.Args = append(c.Args, "-ldflags="+strings.Join(k.Ldflags, " "))
	}
	for _, kv := range k.Env {
		if name, _, _ := strings.Cut(kv, "="); !slices.Contains(elsewhere, name) {
			c.Env = append(c.Env, kv)
		}
	}
	data, _ := host.Read(filepath.Join(c.Dir, "go.mod")) // without one the folder's name is the program's
	c.Output = "/ko-app/" + programName(c.Package, filepath.ToSlash(c.Dir), moduleName(data))
	img := Image{Name: a.Image, Context: a.Context, Base: k.FromImage, Dir: "/", Compiles: []Compile{c}, Entrypoint: []string{c.Output}}
	if data := filepath.Join(c.Dir, filepath.FromSlash(c.Package), "kodata"); host.IsDir(data) {
		img.Env = []string{"KO_DATA_PATH=" + data}
	}
	return img, nil
}
