package task

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/skiff-dev/skiff/internal/config"
	"github.com/skiff-dev/skiff/internal/diag"
	"github.com/skiff-dev/skiff/internal/proc"
)

// structureTool is the program that runs structure tests.
const structureTool = "container-structure-test"

// CheckTests says what is missing for the tests of a project, before anything is built.
func (r *Runner) CheckTests(p *config.Project) error {
	for _, c := range p.Configs {
		for i, t := range c.Test {
			if len(t.StructureTests) == 0 {
				continue
			}
			if _, err := proc.Look(structureTool, r.Dir, r.Environ); err != nil {
				return c.Fault("structure tests need the program "+structureTool+", which is not in PATH",
					"install it (github.com/GoogleContainerTools/container-structure-test), or leave tests out with --skip-tests", "test", i, "structureTests")
			}
		}
	}
	return nil
}

// Tests runs the tests of the images that are in images (by artifact: reference), one after the other, and stops at the first that fails.
func (r *Runner) Tests(ctx context.Context, p *config.Project, images map[string]string) error {
	for _, c := range p.Configs {
		for i, t := range c.Test {
			ref, ok := images[t.Image]
			if !ok {
				continue
			}
			if err := r.testImage(ctx, c, i, t, ref); err != nil {
				return err
			}
		}
	}
	return nil
}

// HasTests says whether an image of the project is tested.
func HasTests(p *config.Project, image string) bool {
	for _, c := range p.Configs {
		for _, t := range c.Test {
			if t.Image == image && len(t.Custom)+len(t.StructureTests) > 0 {
				return true
			}
		}
	}
	return false
}

func (r *Runner) testImage(ctx context.Context, c *config.Config, i int, t *config.TestCase, ref string) error {
	if err := r.structure(ctx, c, i, t, ref); err != nil {
		return err
	}
	for j, custom := range t.Custom {
		if err := r.custom(ctx, c.Position("test", i, "custom", j), t, custom, ref); err != nil {
			return err
		}
	}
	return nil
}

// structure runs the image's structure tests with their tool.
func (r *Runner) structure(ctx context.Context, c *config.Config, i int, t *config.TestCase, ref string) error {
	if len(t.StructureTests) == 0 {
		return nil
	}
	files, err := r.globs(c, i, t)
	if err != nil {
		return err
	}
	args := structureArgs(ref, files, t.StructureTestsArgs)
	return r.tell(Test, t.Image, "structure tests", func(out *lines) error {
		if err := r.present(ctx, ref, out); err != nil {
			return err
		}
		err := r.Guard.Run(ctx, proc.Command{Args: args, Dir: r.path(t.Context), Env: r.Environ}, func(l proc.Line) { out.say(l.Text) })
		return failed(ctx, c.Position("test", i, "structureTests"), fmt.Sprintf("the structure tests of %q failed", t.Image), err)
	})
}

// structureArgs is the command line of the tool, as Skaffold writes it.
func structureArgs(ref string, files, more []string) []string {
	args := []string{structureTool, "test", "-v", "warn", "--image", ref}
	for _, f := range files {
		args = append(args, "--config", f)
	}
	return append(args, more...)
}

// present sees to it that the engine has the image: the tool looks there, and one that went straight to a registry is not in it.
func (r *Runner) present(ctx context.Context, ref string, out *lines) error {
	e, err := r.Engine(ctx)
	if err != nil {
		return err
	}
	if there, err := e.Exists(ctx, ref); there || err != nil {
		return err
	}
	return e.Pull(ctx, ref, out.say)
}

func (r *Runner) globs(c *config.Config, i int, t *config.TestCase) ([]string, error) {
	var files []string
	for k, pattern := range t.StructureTests {
		found, err := doublestar.FilepathGlob(r.path(pattern))
		if err == nil && len(found) == 0 {
			err = errors.New("no file matches")
		}
		if err != nil {
			return nil, c.Fault(fmt.Sprintf("structure tests %s: %v", pattern, err), "check the pattern; it starts from the folder of the project file", "test", i, "structureTests", k)
		}
		files = append(files, found...)
	}
	slices.Sort(files)
	return slices.Compact(files), nil
}

// custom runs one test command of the project, in a shell, as Skaffold does.
func (r *Runner) custom(ctx context.Context, pos diag.Pos, t *config.TestCase, test *config.CustomTest, ref string) error {
	command, err := r.Templates(ctx).Fill(test.Command, nil)
	if err != nil {
		return at(pos, err)
	}
	var seconds *int
	if test.TimeoutSeconds > 0 {
		seconds = &test.TimeoutSeconds
	}
	dir := r.path(t.Context)
	limited, cancel := limit(ctx, seconds, "the test "+command, pos)
	defer cancel()
	return r.tell(Test, t.Image, command, func(out *lines) error {
		env := append(slices.Clone(r.Environ), "IMAGE="+ref, "TEST_CONTEXT="+dir)
		err := r.Guard.Run(limited, proc.Command{Args: shell(command), Dir: dir, Env: env}, func(l proc.Line) { out.say(l.Text) })
		if err != nil && ctx.Err() == nil && limited.Err() != nil {
			return context.Cause(limited)
		}
		return failed(ctx, pos, fmt.Sprintf("a test of %q failed: %s", t.Image, command), err)
	})
}

// shell is a command line as the shell of this system takes it.
func shell(command string) []string {
	if runtime.GOOS == "windows" {
		return []string{"cmd.exe", "/C", command}
	}
	return []string{"sh", "-c", command}
}

// failed words the end of a command; its exit code stays in the error, and becomes skiff's.
func failed(ctx context.Context, pos diag.Pos, what string, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	hint := ""
	if errors.As(err, new(proc.Exit)) {
		hint = "its output is above"
	}
	return &diag.Error{Pos: pos, What: fmt.Sprintf("%s: %v", what, err), Hint: hint, Err: err}
}

// TestFiles are the files that decide about the tests of an image: a change of one of them is a reason to test it again.
func (r *Runner) TestFiles(ctx context.Context, p *config.Project, image string) ([]string, error) {
	var files []string
	for _, c := range p.Configs {
		for i, t := range c.Test {
			if t.Image != image {
				continue
			}
			if len(t.StructureTests) > 0 {
				found, err := r.globs(c, i, t)
				if err != nil {
					return nil, err
				}
				files = append(files, found...)
			}
			for j, custom := range t.Custom {
				found, err := r.dependencies(ctx, t, custom)
				if err != nil {
					return nil, at(c.Position("test", i, "custom", j, "dependencies"), err)
				}
				files = append(files, found...)
			}
		}
	}
	slices.Sort(files)
	return slices.Compact(files), nil
}

// dependencies are the files of one custom test, absolute.
func (r *Runner) dependencies(ctx context.Context, t *config.TestCase, test *config.CustomTest) ([]string, error) {
	d := test.Dependencies
	if d == nil {
		return nil, nil
	}
	dir := r.path(t.Context)
	if d.Command != "" {
		text, err := r.Guard.Output(ctx, proc.Command{Args: shell(d.Command), Dir: dir, Env: r.Environ})
		if err != nil {
			return nil, diag.Errorf("it must print a JSON list of paths", "%s: %w", d.Command, err)
		}
		var names []string
		if err := json.Unmarshal([]byte(text), &names); err != nil {
			return nil, diag.Errorf("it must print a JSON list of paths", "%s: %w", d.Command, err)
		}
		return absolute(dir, names), nil
	}
	var names []string
	for _, pattern := range d.Paths {
		if err := match(dir, pattern, d.Ignore, &names); err != nil {
			return nil, err
		}
	}
	return absolute(dir, names), nil
}

func absolute(dir string, names []string) []string {
	for i, n := range names {
		if !filepath.IsAbs(n) {
			names[i] = filepath.Join(dir, n)
		}
	}
	return names
}

// match adds the files of a pattern below dir, without those that are ignored; a folder stands for all that is in it.
func match(dir, pattern string, ignore []string, names *[]string) error {
	skip := func(rel string) bool {
		return slices.ContainsFunc(ignore, func(p string) bool {
			ok, _ := doublestar.Match(filepath.ToSlash(filepath.Clean(p)), rel)
			return ok
		})
	}
	found, err := doublestar.Glob(os.DirFS(dir), filepath.ToSlash(filepath.Clean(pattern)))
	if err != nil {
		return fmt.Errorf("%s: %w", pattern, err)
	}
	for _, name := range found {
		err := fs.WalkDir(os.DirFS(dir), name, func(rel string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if skip(rel) {
				if d.IsDir() {
					return fs.SkipDir
				}
				return nil
			}
			if !d.IsDir() {
				*names = append(*names, rel)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
