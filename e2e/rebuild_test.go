//go:build e2e

package e2e

import (
	"fmt"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// image is what the pod's spec names, "" when the pod is not there.
func (p *project) image(pod string) string {
	p.Helper()
	for _, candidate := range p.pods() {
		if strings.HasPrefix(candidate.Name, pod) {
			return candidate.Spec.Containers[0].Image
		}
	}
	return ""
}

// digestOf is what stands behind the @ of a reference.
func digestOf(ref string) string {
	_, digest, _ := strings.Cut(ref, "@")
	return digest
}

// rebuilt waits until the pod's spec names another digest, and checks that the registry has it.
func (p *project) rebuilt(pod, before string) string {
	p.Helper()
	var now string
	until(p.T, "the pod has an image other than "+before, func() bool {
		now = p.image(pod)
		return digestOf(now) != "" && digestOf(now) != digestOf(before)
	})
	if c := world.cluster; c.registry != "" {
		name, tag := splitRef(strings.TrimPrefix(now, c.registry+"/"))
		if digest, err := c.digest(p.Context(), name, tag); err != nil || digest != digestOf(now) {
			p.Errorf("the registry names %s (%v) for %s", digest, err, now)
		}
	}
	return now
}

func splitRef(ref string) (name, tag string) {
	ref, _, _ = strings.Cut(ref, "@")
	at := strings.LastIndex(ref, ":")
	return ref[:at], ref[at+1:]
}

// configMap is the data of a ConfigMap, nil when it is not there.
func (p *project) configMap(name string) map[string]string {
	p.Helper()
	got, err := world.cluster.client.CoreV1().ConfigMaps(p.namespace).Get(p.Context(), name, metav1.GetOptions{})
	if errors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		p.Fatal(err)
	}
	return got.Data
}

const settings = `apiVersion: v1
kind: ConfigMap
metadata:
  name: settings
data:
  mode: first
`

func TestWhatCannotBeCopiedIsRebuiltOrDeployedAgain(t *testing.T) {
	t.Parallel()
	p := flask(t)
	s := p.dev("--port-forward")
	url := s.url("5000")
	answers(t, url, "Hello, world!\n")

	// alive is the promise after every change: the port of before answers again, and logs flow, with nobody's help.
	alive := func(t *testing.T, text, path string) {
		t.Helper()
		answers(t, url, text)
		mark := s.mark()
		if _, err := get(url + path); err != nil {
			t.Fatal(err)
		}
		s.sub(t).matches(mark, `^\[python\] .*GET `+path)
	}

	t.Run("a saved Dockerfile is a new image in the pod, and port and log are alive again", func(t *testing.T) {
		p, mark, before := p.sub(t), s.mark(), p.image("python")
		p.replace("Dockerfile", "ENV FLASK_DEBUG=1", "ENV FLASK_DEBUG=1\nENV GREETING=rebuilt")
		p.rebuilt("python", before)
		s.sub(t).says(mark, "Watching for changes...")
		until(t, "the container has the new variable", func() bool {
			out, err := p.in("python", "printenv", "GREETING")
			return err == nil && out == "rebuilt\n"
		})
		alive(t, "Hello, world!\n", "/after-the-dockerfile")
	})
	t.Run("a source without a rule is a new image, and port and log are alive again", func(t *testing.T) {
		p, mark, before := p.sub(t), s.mark(), p.image("python")
		p.write("requirements.txt", "Flask>=1\n")
		p.rebuilt("python", before)
		s.sub(t).says(mark, "Watching for changes...")
		p.holds("python", "/app/requirements.txt", "Flask>=1\n")
		alive(t, "Hello, world!\n", "/after-the-requirements")
	})
	t.Run("a saved manifest is deployed without a build", func(t *testing.T) {
		p, mark, before := p.sub(t), s.mark(), p.pod("python")
		p.replace("k8s/pod.yaml", "    app: python", "    app: python\n    level: high")
		until(t, "the pod has the label", func() bool {
			return p.pod("python").Labels["level"] == "high"
		})
		s.sub(t).says(mark, "Watching for changes...")
		p.same(before)
		if out := s.since(mark); strings.Contains(out, "Building [") || strings.Contains(out, "Found [") {
			t.Errorf("there was a build:\n%s", out)
		}
		alive(t, "Hello, world!\n", "/after-the-manifest")
	})
	t.Run("a manifest that is added is applied, changed is changed, and removed is deleted", func(t *testing.T) {
		p, before := p.sub(t), p.pod("python")
		p.write("k8s/extra/settings.yaml", settings)
		until(t, "the ConfigMap is there", func() bool { return p.configMap("settings")["mode"] == "first" })
		p.replace("k8s/extra/settings.yaml", "first", "second")
		until(t, "the ConfigMap has changed", func() bool { return p.configMap("settings")["mode"] == "second" })
		p.remove("k8s/extra/settings.yaml")
		until(t, "the ConfigMap is gone", func() bool { return p.configMap("settings") == nil })
		p.same(before)
	})
	t.Run("a broken manifest is explained with its place, and its mend is taken", func(t *testing.T) {
		p, s, mark := p.sub(t), s.sub(t), s.mark()
		p.write("k8s/settings.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: [\n")
		s.matches(mark, `^error: .*k8s/settings.yaml:\d+`)
		p.write("k8s/settings.yaml", settings)
		until(t, "the ConfigMap is there", func() bool { return p.configMap("settings") != nil })
	})
	t.Run("and in the end everything is still in step", func(t *testing.T) {
		p.sub(t).write("app.py", strings.ReplaceAll(app, "WHAT", "Hello, at last!"))
		alive(t, "Hello, at last!\n", "/at-last")
	})
}

func TestASavedProjectFileIsReloaded(t *testing.T) {
	t.Parallel()
	p := box(t)
	s := p.dev()

	t.Run("a rule that is added is obeyed", func(t *testing.T) {
		p, s, mark, pod := p.sub(t), s.sub(t), s.mark(), p.pod("web")
		p.replace("skaffold.yaml", "        dest: .\n", "        dest: .\n      - src: data.cfg\n        dest: .\n")
		s.says(mark, "Watching for changes...")
		p.write("data.cfg", "copied\n")
		p.holds(pod.Name, "/srv/data.cfg", "copied\n")
		p.same(pod)
	})
	t.Run("a manifest path that is added is deployed", func(t *testing.T) {
		p, s, mark, pod := p.sub(t), s.sub(t), s.mark(), p.pod("web")
		p.write("more/settings.yaml", settings)
		p.replace("skaffold.yaml", "  - k8s/*\n", "  - k8s/*\n  - more/*\n")
		until(t, "the ConfigMap is there", func() bool { return p.configMap("settings")["mode"] == "first" })
		s.says(mark, "Watching for changes...")
		p.replace("more/settings.yaml", "first", "second")
		until(t, "the ConfigMap has changed", func() bool { return p.configMap("settings")["mode"] == "second" })
		p.same(pod)
	})
	t.Run("a broken one is explained with file, line and column, and the loop of before goes on", func(t *testing.T) {
		p, s, mark, pod := p.sub(t), s.sub(t), s.mark(), p.pod("web")
		p.replace("skaffold.yaml", "        dest: .\n", "        dst: .\n")
		s.matches(mark, `^error: .*skaffold.yaml:\d+:\d+: .*dst`)
		p.write("files/a.txt", "still copied\n")
		p.holds(pod.Name, "/srv/files/a.txt", "still copied\n")
		p.same(pod)
	})
	t.Run("and its mend is taken", func(t *testing.T) {
		p, s, mark, pod := p.sub(t), s.sub(t), s.mark(), p.pod("web")
		p.replace("skaffold.yaml", "        dst: .\n", "        dest: .\n")
		s.says(mark, "Watching for changes...")
		p.write("data.cfg", "copied again\n")
		p.holds(pod.Name, "/srv/data.cfg", "copied again\n")
		p.same(pod)
	})
	t.Run("a path that leaves takes its objects with it", func(t *testing.T) {
		p, pod := p.sub(t), p.pod("web")
		p.replace("skaffold.yaml", "  - more/*\n", "")
		until(t, "the ConfigMap is gone", func() bool { return p.configMap("settings") == nil })
		p.same(pod)
	})
}

func TestASavedDockerignoreIsObeyed(t *testing.T) {
	t.Parallel()
	p := box(t)
	p.write(".dockerignore", "**/*.log\n")
	s := p.dev()
	before, mark := p.pod("web"), s.mark()
	p.write("files/noise.log", "ignored\n")
	p.write("files/a.txt", "copied\n")
	p.holds(before.Name, "/srv/files/a.txt", "copied\n")
	p.lacks(before.Name, "/srv/files/noise.log")
	p.same(before)
	p.write(".dockerignore", "**/b.txt\n")
	p.rebuilt("web", before.Spec.Containers[0].Image)
	s.says(mark, "Everything runs")
	until(t, "one pod is left", func() bool { return len(p.pods()) == 1 })
	now := p.pod("web").Name
	p.holds(now, "/srv/files/noise.log", "ignored\n")
	p.lacks(now, "/srv/files/b.txt")
}

// slowBuild puts a step into the build that takes so many seconds, and that the engine has never made before.
func (p *project) slowBuild(seconds int) {
	p.Helper()
	p.replace("Dockerfile", "COPY data.cfg .", fmt.Sprintf("COPY data.cfg .\nRUN sleep %d; : %s", seconds, p.namespace))
}

func TestASingleUnmatchedFileDoesNotHoldUpTheOthers(t *testing.T) {
	t.Parallel()
	p := box(t)
	p.slowBuild(3)
	s := p.dev()
	pod, mark := p.pod("web"), s.mark()
	p.write("data.cfg", "rebuilt\n")
	p.write("files/a.txt", "copied\n")
	p.holds(pod.Name, "/srv/files/a.txt", "copied\n")
	p.same(pod) // the copy was there before the new image, which takes 3 s to build
	p.rebuilt("web", pod.Spec.Containers[0].Image)
	s.says(mark, "Watching for changes...")
	next := p.pod("web")
	p.holds(next.Name, "/srv/data.cfg", "rebuilt\n")
	p.holds(next.Name, "/srv/files/a.txt", "copied\n")
}
