//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// project is a user's folder, a git repository of its own, with a namespace to run in.
type project struct {
	*testing.T
	dir       string
	namespace string
	env       []string // on top of the tests' own
	flags     []string // of every command
}

// newProject is a project with the files of a folder, committed.
func newProject(t *testing.T, folder string) *project {
	t.Helper()
	needImages(t)
	p := &project{T: t, dir: filepath.Join(t.TempDir(), filepath.Base(folder)), namespace: newNamespace(t)}
	p.env = append([]string{"XDG_CACHE_HOME=" + world.cache}, compiled()...)
	p.flags = []string{"--namespace=" + p.namespace}
	if world.cluster.flag != "" {
		p.flags = append(p.flags, world.cluster.flag)
	}
	if err := os.CopyFS(p.dir, os.DirFS(folder)); err != nil {
		t.Fatal(err)
	}
	p.git("init", "--quiet", "--initial-branch=main")
	p.commit(t.Name()) // the message makes the commit, and so the tag of the image, the test's own
	return p
}

// compiled keeps Go's own cache where it is: without it every project would compile the standard library.
func compiled() []string {
	if os.Getenv("GOCACHE") != "" {
		return nil
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return nil
	}
	return []string{"GOCACHE=" + filepath.Join(dir, "go-build")}
}

// flask is the tutorial's project.
func flask(t *testing.T) *project {
	t.Helper()
	return newProject(t, "../examples/flask")
}

// box is a project whose container starts and ends at once: files in a busybox that sleeps.
func box(t *testing.T) *project {
	t.Helper()
	return newProject(t, "testdata/box")
}

// freshCache gives the project a cache of its own, so that its image is built.
func (p *project) freshCache() *project {
	p.env = append(p.env, "XDG_CACHE_HOME="+p.TempDir())
	return p
}

func (p *project) path(name string) string { return filepath.Join(p.dir, filepath.FromSlash(name)) }

func (p *project) write(name, text string) {
	p.Helper()
	if err := os.MkdirAll(filepath.Dir(p.path(name)), 0o755); err != nil {
		p.Fatal(err)
	}
	if err := os.WriteFile(p.path(name), []byte(text), 0o644); err != nil {
		p.Fatal(err)
	}
}

func (p *project) read(name string) string {
	p.Helper()
	data, err := os.ReadFile(p.path(name))
	if err != nil {
		p.Fatal(err)
	}
	return string(data)
}

// replace changes a part of a file, which must be there.
func (p *project) replace(name, from, to string) {
	p.Helper()
	text := p.read(name)
	if !strings.Contains(text, from) {
		p.Fatalf("%s does not hold %q:\n%s", name, from, text)
	}
	p.write(name, strings.ReplaceAll(text, from, to))
}

func (p *project) remove(name string) {
	p.Helper()
	if err := os.RemoveAll(p.path(name)); err != nil {
		p.Fatal(err)
	}
}

func (p *project) rename(from, to string) {
	p.Helper()
	if err := os.Rename(p.path(from), p.path(to)); err != nil {
		p.Fatal(err)
	}
}

func (p *project) chmod(name string) {
	p.Helper()
	if err := os.Chmod(p.path(name), 0o755); err != nil {
		p.Fatal(err)
	}
}

func sha(text string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(text))) }

// files is every file below a folder of the project, by its path in there.
func (p *project) files(folder string) map[string]string {
	p.Helper()
	all := map[string]string{}
	root := os.DirFS(p.path(folder))
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(root, name)
		all[name] = string(data)
		return err
	})
	if err != nil {
		p.Fatal(err)
	}
	return all
}

func (p *project) git(args ...string) string {
	p.Helper()
	git := exec.Command("git", args...)
	git.Dir = p.dir
	// The user's own settings (hooks, signatures) have no place here.
	git.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1",
		"GIT_AUTHOR_NAME=e2e", "GIT_AUTHOR_EMAIL=e2e@example.com", "GIT_COMMITTER_NAME=e2e", "GIT_COMMITTER_EMAIL=e2e@example.com")
	out, err := git.CombinedOutput()
	if err != nil {
		p.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

func (p *project) commit(message string) {
	p.Helper()
	p.git("add", "--all")
	p.git("commit", "--quiet", "--allow-empty", "--message="+message)
}

// command is skiff with these arguments and the project's flags; the command comes first.
func (p *project) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, world.skiff, append(append([]string{}, args...), p.flags...)...)
	cmd.Dir = p.dir
	cmd.Env = append(os.Environ(), p.env...)
	return cmd
}

// result is what a command that ended leaves behind.
type result struct {
	stdout, stderr string
	code           int
}

// skiff runs a command to its end.
func (p *project) skiff(args ...string) result {
	p.Helper()
	return p.finish(func(ctx context.Context) *exec.Cmd { return p.command(ctx, args...) })
}

// must runs a command that has to work.
func (p *project) must(args ...string) result {
	p.Helper()
	r := p.skiff(args...)
	if r.code != 0 {
		p.Fatalf("skiff %s ended with %d", strings.Join(args, " "), r.code)
	}
	return r
}

func (p *project) finish(command func(context.Context) *exec.Cmd) result {
	p.Helper()
	ctx, cancel := context.WithTimeout(p.Context(), commandTime)
	defer cancel()
	cmd := command(ctx)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	start := time.Now()
	err := cmd.Run()
	p.Logf("%s: %d after %s\nstdout:\n%sstderr:\n%s", strings.Join(cmd.Args[1:], " "), cmd.ProcessState.ExitCode(), time.Since(start).Round(time.Millisecond), out.String(), errs.String())
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		p.Fatal(err)
	}
	return result{out.String(), errs.String(), cmd.ProcessState.ExitCode()}
}

// pods is the pods of the namespace that are not on their way out.
func (p *project) pods() []corev1.Pod {
	p.Helper()
	list, err := world.cluster.client.CoreV1().Pods(p.namespace).List(p.Context(), metav1.ListOptions{})
	if err != nil {
		p.Fatal(err)
	}
	var alive []corev1.Pod
	for _, pod := range list.Items {
		if pod.DeletionTimestamp == nil {
			alive = append(alive, pod)
		}
	}
	return alive
}

// pod waits for a pod with exactly this name, or one that begins with it, whose containers are all ready.
func (p *project) pod(name string) corev1.Pod {
	p.Helper()
	var found corev1.Pod
	until(p.T, "pod "+name+" is ready", func() bool {
		for _, pod := range p.pods() {
			if strings.HasPrefix(pod.Name, name) && ready(pod) {
				found = pod
				return true
			}
		}
		return false
	})
	return found
}

func ready(pod corev1.Pod) bool {
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

// in is what a command prints in the first container of a pod.
func (p *project) in(pod string, command ...string) (string, error) {
	return world.cluster.exec(p.Context(), p.namespace, pod, "", command...)
}

// waitIn is whether ok became true while the pod was there.
func (p *project) waitIn(pod string, ok func() bool) bool {
	p.Helper()
	var there bool
	return wait(p.T, patience, func() bool {
		if ok() {
			there = true
			return true
		}
		_, err := world.cluster.client.CoreV1().Pods(p.namespace).Get(p.Context(), pod, metav1.GetOptions{})
		there = !apierrors.IsNotFound(err)
		return !there
	}) && there
}

// holds waits until a file in the container has this content.
func (p *project) holds(pod, file, text string) {
	p.Helper()
	var got string
	var err error
	if !p.waitIn(pod, func() bool { got, err = p.in(pod, "cat", file); return err == nil && got == text }) {
		p.Fatalf("%s in %s holds %q (%v), want %q", file, pod, got, err, text)
	}
}

// lacks waits until a path is not in the container.
func (p *project) lacks(pod, file string) {
	p.Helper()
	gone := func() bool {
		out, err := p.in(pod, "sh", "-c", "test -e '"+file+"' && echo there || echo gone")
		return err == nil && out == "gone\n"
	}
	if !p.waitIn(pod, gone) {
		p.Fatalf("%s is still in %s, or the pod is gone", file, pod)
	}
}
