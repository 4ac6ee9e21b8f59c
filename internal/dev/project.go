package dev

import (
	"context"
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"

	"github.com/skiff-dev/skiff/internal/config"
	"github.com/skiff-dev/skiff/internal/filesync"
	"github.com/skiff-dev/skiff/internal/pipeline"
	"github.com/skiff-dev/skiff/internal/watch"
)

// Project is one loaded project file, wired: what the loop works on until the file changes.
type Project struct {
	Line      *pipeline.Line
	Dir       string
	Files     []string           // the project file and all that it was made of, absolute
	Artifacts []*config.Artifact // those that are watched
	Own       map[string]string  // by artifact: what decides about its build besides the project file

	inputs map[string]pipeline.Inputs // by artifact, as they were when the file was loaded
	files  map[string]bool            // inputs that exist, as far as seen; the loop's own
}

// learn finds out what each image is made from. Where that cannot be known, everything in the artifact's folder counts, so that
// the change that mends it is noticed; the build says what is wrong.
func (p *Project) learn(ctx context.Context) {
	p.inputs, p.files = map[string]pipeline.Inputs{}, map[string]bool{}
	for _, a := range p.Artifacts {
		p.inputs[a.Image] = p.inputsOf(ctx, a)
	}
}

// list is the inputs that exist. It looks at every folder, so the session does not wait for it.
func (p *Project) list(ctx context.Context) []string {
	var all []string
	for _, inputs := range p.inputs {
		// What cannot be listed cannot be built either, and the build says why.
		files, _ := inputs.Files(ctx)
		all = append(all, files...)
	}
	return all
}

func (p *Project) inputsOf(ctx context.Context, a *config.Artifact) pipeline.Inputs {
	if inputs, err := p.Line.Watched(ctx, a); err == nil {
		return inputs
	}
	return wholeFolder(a.Context)
}

// gone is the changes behind a path that does not exist any more: the path itself, or, when it was a folder, the inputs in it.
func (p *Project) gone(path string) []filesync.Change {
	below := path + string(filepath.Separator)
	var changes []filesync.Change
	if !p.files[path] {
		for file := range p.files {
			if strings.HasPrefix(file, below) {
				delete(p.files, file)
				changes = append(changes, filesync.Change{Path: file, Deleted: true})
			}
		}
		slices.SortFunc(changes, func(a, b filesync.Change) int { return strings.Compare(a.Path, b.Path) })
	}
	delete(p.files, path)
	return append(changes, filesync.Change{Path: path, Deleted: true})
}

// state is the policy's view of the project, before its first pass.
func (p *Project) state(o Options) State {
	s := State{
		Dir: p.Dir, Manifests: manifests{p.Line.Watch()}, Config: fileSet(p.Files),
		Auto: o.Auto, Manual: o.Manual,
		Build: map[string]Task{}, Syncs: map[string][]filesync.Op{},
	}
	for _, a := range p.Artifacts {
		s.Artifacts = append(s.Artifacts, Artifact{
			Name: a.Image, Inputs: p.inputs[a.Image], SyncRules: a.Sync != nil, NeededBy: p.neededBy(a.Image),
		})
	}
	return s
}

// inherit takes over from the project before a reload the images that are made the same way and run already: whatever was
// copied into their containers since stays valid.
func (p *Project) inherit(ctx context.Context, old *Project, was State, now *State) {
	for _, a := range p.Artifacts {
		before, known := old.artifact(a.Image), was.artifact(a.Image)
		built, made := old.Line.Result(a.Image)
		if before == nil || known == nil || !made || !known.Deployed || !sameBuild(before, a) || old.Own[a.Image] != p.Own[a.Image] || was.rebuilds(a.Image) {
			continue
		}
		p.Line.Known(map[string]pipeline.Built{a.Image: built})
		mine := now.artifact(a.Image)
		mine.Deployed, mine.Crashing = true, known.Crashing
		mine.Sync = p.known(ctx, built).Sync
	}
}

// sameBuild is whether two definitions of an artifact make the same image of the same files.
func sameBuild(a, b *config.Artifact) bool {
	text := func(a *config.Artifact) string {
		artifact, build := *a, config.BuildConfig{}
		if a.Config != nil {
			build = a.Config.Build
		}
		artifact.Sync, artifact.Config = nil, nil
		build.Artifacts, build.TagPolicy = nil, config.TagPolicy{}
		data, err := json.Marshal([]any{artifact, build})
		if err != nil {
			return err.Error()
		}
		return string(data)
	}
	return text(a) == text(b)
}

func (p *Project) artifact(image string) *config.Artifact {
	for _, a := range p.Artifacts {
		if a.Image == image {
			return a
		}
	}
	return nil
}

func (p *Project) neededBy(image string) []string {
	var names []string
	for _, a := range p.Artifacts {
		for _, r := range a.Requires {
			if r.Image == image {
				names = append(names, a.Image)
			}
		}
	}
	return names
}

// known is what the policy may know of an artifact after its build: the files that it was made from, and where they go.
func (p *Project) known(ctx context.Context, built pipeline.Built) Known {
	a := p.artifact(built.Image)
	known := Known{Artifact: built.Image, Inputs: p.inputsOf(ctx, a)}
	if a.Sync == nil {
		return known
	}
	// Without destinations nothing is inferred, and a change is a rebuild, which says what is wrong with the Dockerfile.
	destinations, _ := p.Line.Destinations(a, built.WorkDir)
	if rules, err := filesync.Compile(a, built.WorkDir, destinations); err == nil && !rules.Empty() {
		known.Sync = planner{rules}
	}
	return known
}

// watched is the folders and files that count now.
func (p *Project) watched(artifacts []Artifact) (roots []watch.Root, files []string) {
	files = slices.Clone(p.Files)
	add := func(in pipeline.Inputs) {
		for _, r := range in.Roots() {
			roots = append(roots, watch.Root{Dir: r.Dir, Skip: r.Skip})
		}
		files = append(files, in.Singles()...)
	}
	for _, a := range artifacts {
		if in, ok := a.Inputs.(pipeline.Inputs); ok {
			add(in)
		}
	}
	manifests := p.Line.Watch()
	for _, r := range manifests.Roots {
		roots = append(roots, watch.Root{Dir: r.Dir, Skip: r.Skip})
	}
	return roots, append(files, manifests.Files...)
}

// planner is filesync's plan for the rules of one artifact.
type planner struct{ rules filesync.Rules }

// Plan says what goes where.
func (p planner) Plan(changes []filesync.Change) ([]filesync.Op, []filesync.Change) {
	return filesync.Plan(p.rules, changes)
}

// manifests counts what the manifests are made from.
type manifests struct{ pipeline.Watch }

// Has says whether path is part of the manifests.
func (m manifests) Has(path string) bool { return m.Watch.Has != nil && m.Watch.Has(path) }

// fileSet counts just these paths.
type fileSet []string

// Has says whether path is one of them.
func (f fileSet) Has(path string) bool { return slices.Contains(f, path) }

// wholeFolder counts every path below a folder.
type wholeFolder string

// Has says whether path is below the folder.
func (w wholeFolder) Has(path string) bool {
	return strings.HasPrefix(path, string(w)+string(filepath.Separator))
}

// Roots is the folder.
func (w wholeFolder) Roots() []pipeline.Root { return []pipeline.Root{{Dir: string(w)}} }

// Singles is none.
func (w wholeFolder) Singles() []string { return nil }

// Files is none: nobody copies from a folder that cannot be built.
func (w wholeFolder) Files(context.Context) ([]string, error) { return nil, nil }
