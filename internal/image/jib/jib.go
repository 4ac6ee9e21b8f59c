// Package jib builds Java images with the user's Maven or Gradle and the jib plugin: an artifact goes in, the image that the plugin
// pushed or gave to the engine comes out.
package jib

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/skiff-dev/skiff/internal/config"
	"github.com/skiff-dev/skiff/internal/diag"
	"github.com/skiff-dev/skiff/internal/image"
	"github.com/skiff-dev/skiff/internal/proc"
)

// Options is what the builder works with.
type Options struct {
	Registry  *image.Registry
	Engine    image.Keeper // for images that are not pushed
	Environ   []string     // NAME=value
	SkipTests bool
	Insecure  []string // registries without TLS
	Guard     *proc.Guard
}

// Builder builds artifacts of the type jib.
type Builder struct {
	o      Options
	listed image.Listed
	mu     sync.Mutex
	synced map[string]map[string]string // by artifact: files that are copied into the image as they are, and where to
}

var _ image.Builder = (*Builder)(nil)

// New is a Builder. Nothing is run before an artifact asks for it.
func New(o Options) *Builder { return &Builder{o: o, synced: map[string]map[string]string{}} }

// Name is the type's name in the project file.
func (b *Builder) Name() string { return "jib" }

// Check says whether the tool is there that the artifact is built with.
func (b *Builder) Check(a *config.Artifact) error {
	_, err := b.tool(a)
	return err
}

// tool is how the artifact is built: the wrapper in its folder wins over what is installed.
func (b *Builder) tool(a *config.Artifact) (tool, error) {
	kind, err := kindOf(a)
	if err != nil {
		return nil, err
	}
	name, wrapper := "mvn", "mvnw"
	if kind == gradleKind {
		name, wrapper = "gradle", "gradlew"
	}
	if runtime.GOOS == "windows" {
		for _, ending := range []string{".cmd", ".bat"} {
			if exists(filepath.Join(a.Context, wrapper+ending)) {
				wrapper += ending
			}
		}
	}
	command := filepath.Join(a.Context, wrapper)
	if !exists(command) {
		if command, err = proc.Look(name, a.Context, b.o.Environ); err != nil {
			return nil, diag.WithCode(diag.CodeBuild, a.Fault(fmt.Sprintf("image %q is built with %s, and there is neither %s in %s nor %s on the PATH", a.Image, kind, wrapper, a.Context, name),
				fmt.Sprintf("install %s, or add its wrapper to the project", kind), "jib"))
		}
	}
	if kind == gradleKind {
		return gradle{command}, nil
	}
	return maven{command}, nil
}

// The two kinds, as messages have them.
const (
	mavenKind  = "Maven"
	gradleKind = "Gradle"
)

// kindOf is what the project file says, or what the files of the context look like.
func kindOf(a *config.Artifact) (string, error) {
	switch strings.ToLower(a.Jib.Type) {
	case "maven":
		return mavenKind, nil
	case "gradle":
		return gradleKind, nil
	case "":
	default:
		return "", a.Fault(fmt.Sprintf("jib.type is %q", a.Jib.Type), "write maven or gradle", "jib", "type")
	}
	for _, f := range []string{"build.gradle", "build.gradle.kts", "gradle.properties", "settings.gradle", "settings.gradle.kts", "gradlew", "gradlew.bat", "gradlew.cmd"} {
		if exists(filepath.Join(a.Context, f)) {
			return gradleKind, nil
		}
	}
	for _, f := range []string{"pom.xml", ".mvn", "mvnw"} {
		if exists(filepath.Join(a.Context, f)) {
			return mavenKind, nil
		}
	}
	return "", diag.WithCode(diag.CodeBuild, a.Fault(fmt.Sprintf("image %q: %s is neither a project of Maven nor of Gradle", a.Image, a.Context), `correct "context", or name the tool in "jib.type"`, "jib"))
}

func exists(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}

// Build runs the plugin and proves the image where it has to be.
func (b *Builder) Build(ctx context.Context, r image.Request, out func(line string)) (image.Result, error) {
	res := image.Result{Image: r.Artifact.Image}
	t, err := b.tool(r.Artifact)
	if err == nil {
		err = b.run(ctx, r.Artifact, append([]string{t.command()}, t.build(b.job(r))...), out)
	}
	if err == nil {
		res, err = image.Arrival{Registry: b.o.Registry, Engine: b.o.Engine}.Find(ctx, r, filepath.Base(t.command()))
	}
	if err == nil && r.Artifact.Sync != nil && len(r.Artifact.Sync.Manual) == 0 && r.Artifact.Sync.Auto != nil {
		b.readSync(ctx, r.Artifact, t, out)
	}
	if ctx.Err() != nil {
		return res, ctx.Err()
	}
	if err != nil {
		err = diag.WithCode(diag.CodeBuild, fmt.Errorf("image %q: %w", r.Artifact.Image, err))
	}
	return res, err
}

// run runs the tool in the artifact's folder.
func (b *Builder) run(ctx context.Context, a *config.Artifact, args []string, out func(line string)) error {
	var last []string
	err := b.o.Guard.Run(ctx, proc.Command{Args: args, Dir: a.Context, Env: b.o.Environ}, func(l proc.Line) {
		last = append(last, l.Text)
		out(l.Text)
	})
	var exit proc.Exit
	if !errors.As(err, &exit) {
		return err
	}
	hint := "its words are above; by hand: cd " + a.Context + " && " + strings.Join(args, " ")
	for _, line := range last {
		if strings.Contains(line, "_skaffold-fail-if-jib-out-of-date") || strings.Contains(line, "_skaffoldFailIfJibOutOfDate") {
			hint = "use version " + minimum + " or later of the jib plugin"
		}
	}
	return &diag.Error{What: fmt.Sprintf("%s failed: %s", filepath.Base(args[0]), exit), Err: err, Hint: hint}
}

// job is one build for a tool.
func (b *Builder) job(r image.Request) job {
	j := job{jib: *r.Artifact.Jib, ref: r.Ref, push: r.Push, skipTests: b.o.SkipTests, platforms: r.Platforms()}
	if base := j.jib.FromImage; base != "" {
		need, ours := r.Needs[base]
		switch {
		case ours && r.Push:
			j.base = need.Ref
		case ours:
			j.base = "docker://" + need.Ref
		default:
			j.base = base
		}
	}
	host, _, _ := strings.Cut(r.Ref, "/")
	// What runs on this machine has no certificate either; the plugin does not know that by itself for every name.
	j.insecure = slices.Contains(b.o.Insecure, host) || strings.HasPrefix(host, "localhost:") || strings.HasPrefix(host, "127.0.0.1:")
	return j
}

// Settings are the artifact's fields and the tool.
func (b *Builder) Settings(r image.Request) (any, error) {
	kind, err := kindOf(r.Artifact)
	return map[string]any{"jib": r.Artifact.Jib, "kind": kind, "skipTests": b.o.SkipTests}, err
}

// Destinations says where files are that the plugin copies into the image as they are. A file that is compiled has none: it asks for
// a build.
func (b *Builder) Destinations(a *config.Artifact, _ string) (func(rel string) []string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	known := b.synced[a.Image]
	if len(known) == 0 {
		return nil, nil
	}
	return func(rel string) []string {
		if dest, ok := known[filepath.Join(a.Context, filepath.FromSlash(rel))]; ok {
			return []string{dest}
		}
		return nil
	}, nil
}
