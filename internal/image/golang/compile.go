package golang

import (
	"context"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/sync/errgroup"

	"github.com/skiff-dev/skiff/internal/diag"
	"github.com/skiff-dev/skiff/internal/image"
	"github.com/skiff-dev/skiff/internal/proc"
)

// appFolder and dataFolder are where ko puts the program and what lies in kodata.
const (
	appFolder  = "/ko-app"
	dataFolder = "/var/run/ko"
)

// defaultPath is the PATH of an image whose base has none.
const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// job is one image for one platform.
type job struct {
	rec      recipe
	prog     *listing
	platform v1.Platform
	ref      string
	dir      string // for the program
	index    int
	plain    bool // layers are not compressed
}

// one makes the image of a platform. Its layers are read while keep lasts.
func (b *Builder) one(ctx, keep context.Context, j job, out func(line string)) (v1.Image, error) {
	g, gctx := errgroup.WithContext(ctx)
	var base *image.Base
	g.Go(func() (err error) {
		base, err = b.base(gctx, j.rec.Base, j.platform)
		return err
	})
	var program string
	g.Go(func() (err error) {
		program, err = b.compile(gctx, j, out)
		return err
	})
	if err := g.Wait(); err != nil {
		return nil, err
	}
	on := emptyImage(j.platform)
	if base != nil {
		img, err := base.Image(keep)
		if err != nil {
			return nil, err
		}
		on = img
	}
	return b.assemble(j, on, program)
}

// base looks up the base image; nil is none. A registry that does not answer any more is no reason to stop: what it said last holds.
func (b *Builder) base(ctx context.Context, ref string, p v1.Platform) (*image.Base, error) {
	if ref == scratch {
		return nil, nil
	}
	key := ref + " " + p.String()
	found, err := b.o.Registry.Base(ctx, ref, &p)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if known := b.bases[key]; err != nil && known != nil {
		return known, nil
	}
	if err != nil {
		return nil, &diag.Error{
			What: "base image: " + err.Error(), Err: err,
			Hint: `name one that you can reach with "ko.fromImage", with defaultBaseImage in .ko.yaml, or with KO_DEFAULTBASEIMAGE`,
		}
	}
	b.bases[key] = found
	return found, nil
}

// emptyImage is what a base of scratch comes to.
func emptyImage(p v1.Platform) v1.Image {
	img := mutate.MediaType(empty.Image, types.OCIManifestSchema1)
	img = mutate.ConfigMediaType(img, types.OCIConfigJSON)
	// The file is a fresh copy each time, and setting it on an image without layers cannot fail.
	file, err := img.ConfigFile()
	if err != nil {
		return img
	}
	file = file.DeepCopy()
	file.OS, file.Architecture, file.Variant = p.OS, p.Architecture, p.Variant
	if with, err := mutate.ConfigFile(img, file); err == nil {
		return with
	}
	return img
}

// compile makes the program.
func (b *Builder) compile(ctx context.Context, j job, out func(line string)) (string, error) {
	name := appName(j.prog.Import, j.platform.OS)
	program := filepath.Join(j.dir, strconv.Itoa(j.index), name)
	args := []string{"go", "build", "-o", program}
	if j.rec.Debug {
		args = append(args, "-gcflags=all=-N -l")
	} else {
		args = append(args, "-trimpath")
	}
	args = append(args, j.rec.Flags...)
	if len(j.rec.Ldflags) > 0 {
		args = append(args, "-ldflags="+strings.Join(j.rec.Ldflags, " "))
	}
	var last []string
	err := b.o.Guard.Run(ctx, proc.Command{Args: append(args, j.rec.Package), Dir: j.rec.Dir, Env: b.environ(j.rec, j.platform)}, func(l proc.Line) {
		last = append(last, l.Text)
		out(l.Text)
	})
	if err == nil {
		return program, nil
	}
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	var exit proc.Exit
	if !errors.As(err, &exit) {
		return "", fmt.Errorf("go build: %w", err)
	}
	return "", &diag.Error{What: "go build: " + complaint(last, err), Err: err, Hint: "mend it and save; the compiler's words are above"}
}

// complaint is the first line of the compiler that names a place, or else the last one.
func complaint(lines []string, err error) string {
	for _, l := range lines {
		if strings.Contains(l, ".go:") {
			return l
		}
	}
	if n := len(lines); n > 0 {
		return lines[n-1]
	}
	return err.Error()
}

// appName is the program's name: the last part of its import path.
func appName(imported, os string) string {
	name := path.Base(imported)
	if name == "." || name == "/" || name == "" {
		name = "ko-app"
	}
	if os == "windows" {
		name += ".exe"
	}
	return name
}

// environ is the go command's: the platform's, then the user's own where it says nothing else about it, then the recipe's.
func (b *Builder) environ(rec recipe, p v1.Platform) []string {
	env := slices.Concat([]string{"CGO_ENABLED=0"}, b.o.Environ, []string{"GOOS=" + p.OS, "GOARCH=" + p.Architecture})
	switch {
	case p.Architecture == "arm" && p.Variant != "":
		env = append(env, "GOARM="+strings.TrimPrefix(p.Variant, "v"))
	case p.Architecture == "amd64" && p.Variant != "":
		env = append(env, "GOAMD64="+p.Variant)
	}
	return append(env, rec.Env...)
}

// listPlatform is the platform that files are listed for.
func (b *Builder) listPlatform() v1.Platform {
	if len(b.o.Platforms) > 0 && b.o.Platforms[0] != "all" {
		if p, err := v1.ParsePlatform(b.o.Platforms[0]); err == nil {
			return *p
		}
	}
	return v1.Platform{OS: "linux", Architecture: runtime.GOARCH}
}

// assemble puts kodata and the program on top of a base.
func (b *Builder) assemble(j job, base v1.Image, program string) (v1.Image, error) {
	media, err := layerType(base, j.plain)
	if err != nil {
		return nil, err
	}
	data, err := b.dataLayer(filepath.Join(j.prog.Main, "kodata"), media)
	if err != nil {
		return nil, err
	}
	app, err := programLayer(program, media)
	if err != nil {
		return nil, err
	}
	when := v1.Time{Time: epoch(b.o.Environ, "SOURCE_DATE_EPOCH")}
	img, err := mutate.Append(base,
		mutate.Addendum{Layer: data, History: v1.History{Author: "skiff", Created: when, CreatedBy: "skiff build " + j.rec.Package, Comment: "kodata contents, at $KO_DATA_PATH"}},
		mutate.Addendum{Layer: app, History: v1.History{Author: "skiff", Created: when, CreatedBy: "skiff build " + j.rec.Package, Comment: "go build output, at " + appFolder}},
	)
	if err != nil {
		return nil, err
	}
	file, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	file = file.DeepCopy()
	file.Created = when
	file.Config.Entrypoint, file.Config.Cmd = []string{path.Join(appFolder, filepath.Base(program))}, nil
	file.Config.Env = withPath(file.Config.Env)
	for key, value := range j.rec.Labels {
		if file.Config.Labels == nil {
			file.Config.Labels = map[string]string{}
		}
		file.Config.Labels[key] = value
	}
	return mutate.ConfigFile(img, file)
}

// withPath adds the program's folder to PATH, and says where kodata is.
func withPath(env []string) []string {
	var list []string
	found := false
	for _, kv := range env {
		if value, ok := strings.CutPrefix(kv, "PATH="); ok {
			kv, found = "PATH="+value+":"+appFolder, true
		}
		if !strings.HasPrefix(kv, "KO_DATA_PATH=") {
			list = append(list, kv)
		}
	}
	if !found {
		list = append(list, "PATH="+defaultPath+":"+appFolder)
	}
	return append(list, "KO_DATA_PATH="+dataFolder)
}

// epoch is a time that a variable sets in seconds; else the beginning of all times, so that the same sources make the same image.
func epoch(environ []string, name string) time.Time {
	text, _ := lookup(environ, name)
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return time.Unix(0, 0).UTC()
	}
	return time.Unix(seconds, 0).UTC()
}

func layerType(base v1.Image, plain bool) (types.MediaType, error) {
	media, err := base.MediaType()
	if err != nil {
		return "", err
	}
	switch docker := media == types.DockerManifestSchema2; {
	case docker && plain:
		return types.DockerUncompressedLayer, nil
	case docker:
		return types.DockerLayer, nil
	case plain:
		return types.OCIUncompressedLayer, nil
	}
	return types.OCILayer, nil
}
