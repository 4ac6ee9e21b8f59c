package task

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/exec"

	"github.com/skiff-dev/skiff/internal/config"
	"github.com/skiff-dev/skiff/internal/diag"
	"github.com/skiff-dev/skiff/internal/kube"
	"github.com/skiff-dev/skiff/internal/proc"
)

// Hooks runs lifecycle hooks: commands of this machine and commands in containers.
type Hooks struct {
	Runner *Runner
	Shared []string // SKAFFOLD_* variables that every command of this machine gets, NAME=value

	mu   sync.Mutex
	seen map[string]bool // containers that deploy hooks have looked at
}

// Phase says when hooks run, for messages: "before deploy", "after sync of web".
type Phase string

// Host runs one command of this machine unless its list of systems leaves this one out. vars are the phase's own variables; a variable of
// the session's environment wins over both, as in Skaffold. stdin may be nil; stdout, if not nil, gets what the command writes there.
func (h *Hooks) Host(ctx context.Context, phase Phase, hook *config.HostHook, pos diag.Pos, vars []string, stdin io.Reader, stdout io.Writer) error {
	if len(hook.OS) > 0 && !slices.Contains(hook.OS, runtime.GOOS) {
		return nil
	}
	r := h.Runner
	dir := r.Dir
	if hook.Dir != "" {
		dir = r.path(hook.Dir)
	}
	env := slices.Concat(h.Shared, []string{"SKAFFOLD_WORK_DIR=" + r.Dir}, vars, r.Environ)
	text := strings.Join(hook.Command, " ")
	return r.tell(Hook, string(phase), text, func(out *lines) error {
		c := proc.Command{Args: hook.Command, Dir: dir, Env: env, Grace: hookGrace, Stdin: stdin, Stdout: stdout}
		err := r.Guard.Run(ctx, c, func(l proc.Line) { out.say(l.Text) })
		return failed(ctx, pos, fmt.Sprintf("the hook %s failed: %s", phase, text), err)
	})
}

// HostAll runs commands of this machine, one after the other, and stops at the first that fails. path is where the list stands.
func (h *Hooks) HostAll(ctx context.Context, phase Phase, c *config.Config, path []any, hooks []*config.HostHook, vars []string) error {
	for i, hook := range hooks {
		if err := h.Host(ctx, phase, hook, c.Position(append(slices.Clone(path), i)...), vars, nil, nil); err != nil {
			return err
		}
	}
	return nil
}

// Render runs the hooks around rendering. An after-hook gets the manifests on its standard input, and with withChange what it writes
// takes their place.
func (h *Hooks) Render(ctx context.Context, phase Phase, c *config.Config, list string, hooks []*config.RenderHook, vars []string, manifests []byte) ([]byte, error) {
	for i, hook := range hooks {
		if hook.Host == nil {
			continue
		}
		pos := c.Position("manifests", "hooks", list, i)
		var changed bytes.Buffer
		var stdin io.Reader
		var stdout io.Writer
		if list == "after" {
			stdin = bytes.NewReader(manifests)
			if hook.Host.WithChange {
				stdout = &changed
			}
		}
		if err := h.Host(ctx, phase, &hook.Host.HostHook, pos, vars, stdin, stdout); err != nil {
			return nil, err
		}
		if stdout == nil || !applies(&hook.Host.HostHook) {
			continue
		}
		if len(bytes.TrimSpace(changed.Bytes())) == 0 {
			return nil, &diag.Error{Pos: pos, What: "the hook wrote no manifests", Hint: "write them to standard output, or leave withChange out"}
		}
		manifests = changed.Bytes()
	}
	return manifests, nil
}

func applies(hook *config.HostHook) bool {
	return len(hook.OS) == 0 || slices.Contains(hook.OS, runtime.GOOS)
}

// Deploy runs the hooks around a deployer. A hook in containers runs in every container of the namespaces that its globs match and that no
// deploy hook of this session has looked at before.
func (h *Hooks) Deploy(ctx context.Context, phase Phase, c *config.Config, path []any, hooks []*config.DeployHook, vars, namespaces []string) error {
	for i, hook := range hooks {
		at := c.Position(append(slices.Clone(path), i)...)
		if hook.Host != nil {
			if err := h.Host(ctx, phase, hook.Host, at, vars, nil, nil); err != nil {
				return err
			}
		}
		if hook.Container == nil {
			continue
		}
		if err := h.inPods(ctx, phase, hook.Container, at, namespaces); err != nil {
			return err
		}
	}
	return nil
}

func (h *Hooks) inPods(ctx context.Context, phase Phase, hook *config.PodHook, pos diag.Pos, namespaces []string) error {
	fits := func(pattern, name string) (bool, error) {
		if pattern == "" {
			return true, nil
		}
		return path.Match(pattern, name)
	}
	return h.exec(ctx, phase, pos, hook.Command, namespaces, func(pod *corev1.Pod, container string) (bool, error) {
		key := string(pod.UID) + "/" + container + "\x00" + pos.String()
		h.mu.Lock()
		known := h.seen[key]
		if h.seen == nil {
			h.seen = map[string]bool{}
		}
		h.seen[key] = true
		h.mu.Unlock()
		if known {
			return false, nil
		}
		ok, err := fits(hook.PodName, pod.Name)
		if !ok || err != nil {
			return false, err
		}
		return fits(hook.ContainerName, container)
	})
}

// Sync runs the hooks around a sync; those in containers run where exactly the image runs.
func (h *Hooks) Sync(ctx context.Context, phase Phase, c *config.Config, path []any, hooks []*config.SyncHook, vars []string, image string, namespaces []string) error {
	for i, hook := range hooks {
		at := c.Position(append(slices.Clone(path), i)...)
		if hook.Host != nil {
			if err := h.Host(ctx, phase, hook.Host, at, vars, nil, nil); err != nil {
				return err
			}
		}
		if hook.Container == nil {
			continue
		}
		err := h.exec(ctx, phase, at, hook.Container.Command, namespaces, func(pod *corev1.Pod, container string) (bool, error) {
			for _, one := range pod.Spec.Containers {
				if one.Name == container {
					return one.Image == image, nil
				}
			}
			return false, nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// exec runs a command in every running container that fits says, side by side.
func (h *Hooks) exec(ctx context.Context, phase Phase, pos diag.Pos, command, namespaces []string, fits func(pod *corev1.Pod, container string) (bool, error)) error {
	cluster, err := h.Runner.Cluster(ctx)
	if err != nil {
		return err
	}
	g, gctx := errgroup.WithContext(ctx)
	for _, namespace := range namespaces {
		pods, err := cluster.Typed.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{FieldSelector: "status.phase=Running"})
		if err != nil {
			return at(pos, cluster.Explain(err))
		}
		for _, pod := range pods.Items {
			if pod.DeletionTimestamp != nil {
				continue
			}
			for _, s := range pod.Status.ContainerStatuses {
				if s.State.Running == nil {
					continue
				}
				ok, err := fits(&pod, s.Name)
				if err != nil {
					return &diag.Error{Pos: pos, What: fmt.Sprintf("podName or containerName: %v", err), Hint: "write a shell pattern, such as web-*", Code: diag.CodeConfig}
				}
				if ok {
					g.Go(func() error { return h.inContainer(gctx, cluster, phase, pos, command, namespace, pod.Name, s.Name) })
				}
			}
		}
	}
	return g.Wait()
}

func (h *Hooks) inContainer(ctx context.Context, cluster *kube.Cluster, phase Phase, pos diag.Pos, command []string, namespace, pod, container string) error {
	text := strings.Join(command, " ")
	what := fmt.Sprintf("%s in pod/%s, container %s", text, pod, container)
	return h.Runner.tell(Hook, string(phase), what, func(out *lines) error {
		err := cluster.Exec(ctx, kube.Exec{Namespace: namespace, Pod: pod, Container: container, Command: command, Stdout: out, Stderr: out})
		var exit exec.CodeExitError
		if errors.As(err, &exit) {
			err = proc.Exit{Code: exit.Code}
		}
		return failed(ctx, pos, fmt.Sprintf("the hook %s failed: %s", phase, what), err)
	})
}

// Changes are the variables of a sync hook that name the changed files.
func Changes(modified, deleted []string) []string {
	join := func(paths []string) string {
		out := make([]string, len(paths))
		for i, p := range paths {
			out[i] = filepath.ToSlash(p)
		}
		return strings.Join(out, ";")
	}
	return []string{"SKAFFOLD_FILES_ADDED_OR_MODIFIED=" + join(modified), "SKAFFOLD_FILES_DELETED=" + join(deleted)}
}
