package golang

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/skiff-dev/skiff/internal/diag"
	"github.com/skiff-dev/skiff/internal/image"
)

// defaultBase is what ko builds on when nobody says otherwise.
const defaultBase = "cgr.dev/chainguard/static:latest"

// scratch is the base that is none.
const scratch = "scratch"

// settingsFile is ko's own file, beside the sources.
const settingsFile = ".ko.yaml"

// recipe is how a program is built: what the artifact says, what ko's own file says where it says nothing, with templates filled in.
type recipe struct {
	Dir     string            `json:"-"`       // absolute: where go runs
	Package string            `json:"package"` // "./cmd/web" or an import path
	Env     []string          `json:"env"`
	Flags   []string          `json:"flags"`
	Ldflags []string          `json:"ldflags"`
	Base    string            `json:"base"`
	Labels  map[string]string `json:"labels"`
	Debug   bool              `json:"debug"`
}

// settings is what of ko's own file counts here.
type settings struct {
	DefaultBaseImage   string            `json:"defaultBaseImage"`
	BaseImageOverrides map[string]string `json:"baseImageOverrides"`
	DefaultEnv         []string          `json:"defaultEnv"`
	DefaultFlags       []string          `json:"defaultFlags"`
	DefaultLdflags     []string          `json:"defaultLdflags"`
	Builds             []struct {
		Dir     string   `json:"dir"`
		Main    string   `json:"main"`
		Env     []string `json:"env"`
		Flags   words    `json:"flags"`
		Ldflags words    `json:"ldflags"`
	} `json:"builds"`
}

// words is a list that may be written as one text.
type words []string

// UnmarshalJSON reads either form.
func (w *words) UnmarshalJSON(data []byte) error {
	if len(data) > 0 && data[0] == '"' {
		var one string
		err := yaml.Unmarshal(data, &one)
		*w = words{one}
		return err
	}
	return yaml.Unmarshal(data, (*[]string)(w))
}

func readSettings(dir string) (settings, error) {
	var s settings
	file := filepath.Join(dir, settingsFile)
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return s, fmt.Errorf("read %s: %w", file, err)
	}
	if err := yaml.Unmarshal(data, &s); err != nil {
		return s, diag.Errorf("see https://ko.build/configuration", "%s: %w", file, err)
	}
	return s, nil
}

func (b *Builder) recipe(r image.Request) (recipe, error) {
	a, k := r.Artifact, r.Artifact.Ko
	rec := recipe{Dir: filepath.Join(a.Context, filepath.FromSlash(k.Dir)), Base: k.FromImage, Debug: b.o.Mode == "debug"}
	if info, err := os.Stat(rec.Dir); err != nil || !info.IsDir() {
		return rec, diag.Errorf(`correct "context" of the artifact, or "ko.dir"`, "%s is no folder", rec.Dir)
	}
	rec.Package = packageOf(a.Image, k.Main)
	own, err := readSettings(rec.Dir)
	if err != nil {
		return rec, err
	}
	rec.Env, rec.Flags, rec.Ldflags = slices.Concat(own.DefaultEnv, k.Env), k.Flags, k.Ldflags
	for _, o := range own.Builds {
		if packageOf("", path.Join(".", filepath.ToSlash(o.Dir), filepath.ToSlash(o.Main))) == rec.Package {
			rec.Env = slices.Concat(own.DefaultEnv, o.Env, k.Env)
			rec.Flags, rec.Ldflags = orElse(rec.Flags, o.Flags), orElse(rec.Ldflags, o.Ldflags)
		}
	}
	rec.Flags, rec.Ldflags = orElse(rec.Flags, own.DefaultFlags), orElse(rec.Ldflags, own.DefaultLdflags)
	if rec.Base == "" {
		rec.Base = own.BaseImageOverrides[strings.TrimPrefix(a.Image, "ko://")]
	}
	if rec.Base == "" {
		rec.Base, _ = lookup(b.o.Environ, "KO_DEFAULTBASEIMAGE")
	}
	if rec.Base == "" {
		rec.Base = own.DefaultBaseImage
	}
	if rec.Base == "" {
		rec.Base = defaultBase
	}
	return rec, b.fill(&rec, k.Labels, r.Ref)
}

// packageOf is the main package as the go command takes it: a ko:// name is the import path itself.
func packageOf(image, main string) string {
	if imported, ok := strings.CutPrefix(image, "ko://"); ok {
		return imported
	}
	main = path.Clean(filepath.ToSlash(main))
	if main == "." || path.IsAbs(main) || strings.HasPrefix(main, "../") {
		return main
	}
	return "./" + strings.TrimPrefix(main, "./")
}

// fill puts the templates in.
func (b *Builder) fill(rec *recipe, labels map[string]string, ref string) error {
	vars := image.Variables(ref)
	var errs []error
	fill := func(text string) string {
		// ko's own templates have the environment below .Env.
		out, err := b.o.Templates.Fill(strings.ReplaceAll(text, ".Env.", "."), vars)
		errs = append(errs, err)
		return out
	}
	for _, list := range []*[]string{&rec.Env, &rec.Flags, &rec.Ldflags} {
		filled := make([]string, len(*list))
		for i, text := range *list {
			filled[i] = fill(text)
		}
		*list = filled
	}
	if len(labels) > 0 {
		rec.Labels = map[string]string{}
	}
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		rec.Labels[key] = fill(labels[key])
	}
	return errors.Join(errs...)
}

func orElse(list, other []string) []string {
	if len(list) > 0 {
		return list
	}
	return other
}
