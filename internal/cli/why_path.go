package cli

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/skiff-dev/skiff/internal/config"
	"github.com/skiff-dev/skiff/internal/event"
	"github.com/skiff-dev/skiff/internal/filesync"
	"github.com/skiff-dev/skiff/internal/image"
	"github.com/skiff-dev/skiff/internal/kube"
	"github.com/skiff-dev/skiff/internal/pipeline"
	"github.com/skiff-dev/skiff/internal/render"
)

// whyPath is what would happen if one file changed.
type whyPath struct {
	Path      string        `json:"path"`
	Project   bool          `json:"project"`   // the project file would be loaded anew
	Manifests bool          `json:"manifests"` // the manifests would be rendered and deployed anew
	Artifacts []whyArtifact `json:"artifacts"`
}

// whyArtifact is what that means for one image.
type whyArtifact struct {
	Image   string `json:"image"`
	Counts  bool   `json:"counts"`
	Because string `json:"because,omitempty"` // what takes the file, or why nothing does
	Outside bool   `json:"outside,omitempty"` // it lies where no file of the image lies
	Action  string `json:"action"`            // "none", "sync", "rebuild"
	// Of a sync.
	To   []string `json:"to,omitempty"`   // paths in the container
	Rule string   `json:"rule,omitempty"` // which sync rule, or why none
	// Of a rebuild.
	How      string   `json:"how,omitempty"`      // "layers": assembled without a build where that is possible; "full"
	HowWhy   string   `json:"howWhy,omitempty"`   // because of what
	Also     []string `json:"also,omitempty"`     // images that are built from this one, and would be built as well
	Restarts []string `json:"restarts,omitempty"` // objects whose containers would be replaced
}

// whyPaths asks about several paths.
type whyPaths struct {
	*session
	line     *pipeline.Line
	restarts map[string][]string // by artifact
}

func newWhyPaths(ctx context.Context, s *session, l *pipeline.Line) *whyPaths {
	w := &whyPaths{session: s, line: l, restarts: map[string][]string{}}
	o := l.Render
	o.Images = map[string]string{}
	byRef := map[string]string{}
	for i, a := range s.project.Artifacts() {
		ref := fmt.Sprintf("skiff.invalid/why:%d", i)
		o.Images[a.Image], byRef[ref] = ref, a.Image
	}
	manifests, err := render.Objects(ctx, s.project, o)
	if err != nil {
		s.bus.Send(event.Note{Warn: true, Text: fmt.Sprintf("what would start anew is not known: %v", err)})
		return w
	}
	for _, object := range manifests.Objects {
		for _, c := range kube.Containers(object) {
			name := object.GetKind() + "/" + object.GetName()
			if a, ok := byRef[c.Image]; ok && !slices.Contains(w.restarts[a], name) {
				w.restarts[a] = append(w.restarts[a], name)
			}
		}
	}
	return w
}

func (w *whyPaths) path(ctx context.Context, path string) (whyPath, error) {
	answer := whyPath{Path: w.shown(path), Project: slices.Contains(w.project.Files, path), Artifacts: []whyArtifact{}}
	if watch := w.line.Watch(); watch.Has != nil {
		answer.Manifests = watch.Has(path)
	}
	for _, a := range w.project.Artifacts() {
		found, err := w.artifact(ctx, a, path)
		if err != nil {
			return answer, err
		}
		answer.Artifacts = append(answer.Artifacts, found)
	}
	return answer, nil
}

func (w *whyPaths) artifact(ctx context.Context, a *config.Artifact, path string) (whyArtifact, error) {
	answer := whyArtifact{Image: a.Image, Action: "none"}
	b, err := w.line.Images.Builders(a)
	if err != nil {
		return answer, err
	}
	inputs, err := b.Inputs(ctx, a)
	if err != nil {
		return answer, err
	}
	answer.Counts = inputs.Has(path)
	answer.Because = "it is none of the files that the image is made from"
	if answer.Counts {
		answer.Because = "it is one of the files that the image is made from"
	}
	answer.How = "full"
	if tracer, ok := image.As[image.Tracer](b); ok {
		trace, err := tracer.Trace(ctx, a, path)
		if err != nil {
			return answer, err
		}
		answer.Because, answer.HowWhy, answer.Outside = trace.Because, trace.Needs, trace.Outside
		if trace.Layer {
			answer.How = "layers"
		}
	}
	if !answer.Counts {
		answer.How, answer.HowWhy = "", ""
		return answer, nil
	}
	answer.Action = "rebuild"
	answer.Also = w.builtFrom(a.Image, nil)
	if len(answer.Also) == 0 {
		w.sync(a, path, &answer)
	} else {
		answer.Rule = "it is not synced, because other images are built from this one"
	}
	if answer.Action == "rebuild" {
		for _, name := range append([]string{a.Image}, answer.Also...) {
			answer.Restarts = append(answer.Restarts, w.restarts[name]...)
		}
	} else {
		answer.How, answer.HowWhy = "", ""
	}
	return answer, nil
}

// sync says where the file would be copied, and by which rule.
func (w *whyPaths) sync(a *config.Artifact, path string, answer *whyArtifact) {
	if a.Sync == nil {
		return
	}
	workDir := "WORKDIR" // as long as nobody knows the image's
	if w.cache != nil {
		if last, ok := w.cache.Last(a.Image); ok && last.WorkDir != "" {
			workDir = last.WorkDir
		}
	}
	// Without destinations nothing is inferred, and a change is a rebuild.
	destinations, _ := w.line.Destinations(a, workDir)
	rules, err := filesync.Compile(a, workDir, destinations)
	if err != nil {
		return
	}
	ops, rest := filesync.Plan(rules, []filesync.Change{{Path: path}})
	if len(rest) > 0 || len(ops) == 0 {
		answer.Rule = "no sync rule takes it"
		return
	}
	answer.Action, answer.Rule = "sync", w.rule(a, path, workDir)
	for _, op := range ops {
		answer.To = append(answer.To, strings.Replace(op.Remote, "/WORKDIR", "WORKDIR", 1))
	}
}

// rule is the place of the sync rule that takes a path: each manual one is asked by itself.
func (w *whyPaths) rule(a *config.Artifact, path, workDir string) string {
	at := slices.Index(a.Config.Build.Artifacts, a)
	for i, m := range a.Sync.Manual {
		only := *a
		sync := *a.Sync
		sync.Manual = []*config.SyncRule{m}
		only.Sync = &sync
		if rules, err := filesync.Compile(&only, workDir, nil); err == nil && len(rules.Targets(path)) > 0 {
			return fmt.Sprintf("%s: src %s", w.place(a.Config, "build", "artifacts", at, "sync", "manual", i), m.Src)
		}
	}
	return fmt.Sprintf("%s: infer", w.place(a.Config, "build", "artifacts", at, "sync"))
}

func (w *whyPaths) place(c *config.Config, path ...any) string {
	pos := c.Position(path...)
	pos.File = w.shown(pos.File)
	return fmt.Sprintf("%s:%d", pos.File, pos.Line)
}

// builtFrom is the images that require another one, and those that require these.
func (w *whyPaths) builtFrom(name string, seen []string) []string {
	for _, a := range w.project.Artifacts() {
		requires := slices.ContainsFunc(a.Requires, func(r *config.ArtifactRequirement) bool { return r.Image == name })
		if requires && !slices.Contains(seen, a.Image) {
			seen = w.builtFrom(a.Image, append(seen, a.Image))
		}
	}
	return seen
}

// shown is a path as the user would type it.
func (w *whyPaths) shown(path string) string {
	rel, err := filepath.Rel(w.Dir, path)
	if err != nil || rel == ".." || strings.HasPrefix(rel, ".."+string(filepath.Separator)) {
		return path
	}
	return filepath.ToSlash(rel)
}

// write is the answer for people.
func (p whyPath) write(w io.Writer) {
	fmt.Fprintf(w, "If %s changed:\n", p.Path)
	nothing := true
	for _, a := range p.Artifacts {
		if a.Counts {
			nothing = false
			a.write(w)
		}
	}
	if p.Manifests {
		nothing = false
		fmt.Fprintln(w, " - the manifests would be rendered and deployed anew")
	}
	if p.Project {
		nothing = false
		fmt.Fprintln(w, " - the project would be loaded anew; images whose definition stays the same would keep running")
	}
	if nothing {
		p.writeNothing(w)
	}
}

// writeNothing says why nothing would happen; one line stands for the images that are far from the file.
func (p whyPath) writeNothing(w io.Writer) {
	fmt.Fprintln(w, " - nothing would happen")
	far := 0
	for _, a := range p.Artifacts {
		if a.Outside {
			far++
			continue
		}
		fmt.Fprintf(w, "   %s: %s\n", a.Image, a.Because)
	}
	switch {
	case far == 0:
	case far == len(p.Artifacts):
		fmt.Fprintln(w, "   it lies outside of every build context")
	default:
		fmt.Fprintln(w, "   the other images: it lies outside of their build contexts")
	}
}

func (a whyArtifact) write(w io.Writer) {
	switch a.Action {
	case "sync":
		fmt.Fprintf(w, " - %s: it would be copied to %s (%s); nothing restarts\n", a.Image, strings.Join(a.To, " and "), a.Rule)
		fmt.Fprintf(w, "   %s\n", a.Because)
		return
	case "rebuild":
		fmt.Fprintf(w, " - %s would be rebuilt: %s\n", a.Image, a.Because)
	}
	if a.Rule != "" {
		fmt.Fprintf(w, "   %s\n", a.Rule)
	}
	if a.How == "layers" {
		fmt.Fprintln(w, "   only the layers that hold it would be made anew, without a build, where the image of before is known")
	} else if a.HowWhy != "" {
		fmt.Fprintf(w, "   by a full build, because of %s\n", a.HowWhy)
	} else {
		fmt.Fprintln(w, "   by a full build")
	}
	if len(a.Also) > 0 {
		fmt.Fprintf(w, "   and then %s, built from it\n", strings.Join(a.Also, ", "))
	}
	if len(a.Restarts) > 0 {
		fmt.Fprintf(w, "   restarts %s\n", strings.Join(a.Restarts, ", "))
	}
}
