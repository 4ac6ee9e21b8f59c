//go:build e2e

package e2e

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
)

// identity is what stays when a file is copied, and changes when anything else is done.
type identity struct {
	Pod, UID, Container, ID, Image string
	Restarts                       int32
}

func identify(pod corev1.Pod) identity {
	status := pod.Status.ContainerStatuses[0]
	return identity{pod.Name, string(pod.UID), status.Name, status.ContainerID, pod.Spec.Containers[0].Image, status.RestartCount}
}

// same fails the test when the pod or its container is not the one from before.
func (p *project) same(before corev1.Pod) {
	p.Helper()
	after := p.pod(before.Name)
	if diff := cmp.Diff(identify(before), identify(after)); diff != "" {
		p.Errorf("the pod is not the same (-before +after):\n%s", diff)
	}
}

// synced waits for the line that says which file went where, and in how many milliseconds.
func (s *session) synced(mark int, pod, file string) {
	s.Helper()
	s.matches(mark, `^Synced to pod/`+pod+`, container \S+: .*`+file+`.* in [0-9.]+ m?s$`)
}

const app = `from flask import Flask

app = Flask(__name__)


@app.route("/")
def hello():
    return "WHAT\n"
`

func TestASavedSourceRunsInTheSameContainer(t *testing.T) {
	t.Parallel()
	p := flask(t)
	s := p.dev("--port-forward")
	url, pod := s.url("5000"), p.pod("python")
	answers(t, url, "Hello, world!\n")

	for _, step := range []struct {
		name string
		do   func(*testing.T, *project, *session)
	}{
		{"a saved file answers, and the line says what, where and how fast", func(t *testing.T, p *project, s *session) {
			mark := s.mark()
			p.write("app.py", strings.ReplaceAll(app, "WHAT", "Hello, synced!"))
			answers(t, url, "Hello, synced!\n")
			p.holds(pod.Name, "/app/app.py", p.read("app.py"))
			s.synced(mark, "python", "/app/app.py")
		}},
		{"a file that is added follows", func(t *testing.T, p *project, s *session) {
			mark := s.mark()
			p.write("words.py", "word = \"added\"\n")
			p.holds(pod.Name, "/app/words.py", "word = \"added\"\n")
			s.synced(mark, "python", "/app/words.py")
		}},
		{"a file that is renamed follows", func(t *testing.T, p *project, s *session) {
			p.rename("words.py", "terms.py")
			p.holds(pod.Name, "/app/terms.py", "word = \"added\"\n")
			p.lacks(pod.Name, "/app/words.py")
		}},
		{"a file that is deleted follows", func(t *testing.T, p *project, s *session) {
			mark := s.mark()
			p.remove("terms.py")
			p.lacks(pod.Name, "/app/terms.py")
			s.synced(mark, "python", "/app/terms.py")
		}},
		{"a file that an editor writes aside and moves into place follows", func(t *testing.T, p *project, s *session) {
			p.write(".app.py.swp", "swap")
			p.write("app.py~", strings.ReplaceAll(app, "WHAT", "Hello, editor!"))
			p.rename("app.py~", "app.py")
			p.remove(".app.py.swp")
			answers(t, url, "Hello, editor!\n")
		}},
		{"a syntax error and its mend follow", func(t *testing.T, p *project, s *session) {
			p.write("app.py", "def broken(:\n")
			p.holds(pod.Name, "/app/app.py", "def broken(:\n")
			until(t, "the error is seen behind the port", func() bool {
				body, err := get(url)
				return err != nil || strings.Contains(body, "SyntaxError")
			})
			p.write("app.py", strings.ReplaceAll(app, "WHAT", "Hello, mended!"))
			answers(t, url, "Hello, mended!\n")
		}},
		{"a file that no image holds does nothing", func(t *testing.T, p *project, s *session) {
			mark := s.mark()
			p.write("notes.txt", "nothing")
			p.write("last.py", "")
			s.synced(mark, "python", "/app/last.py")
			if out := s.since(mark); strings.Contains(out, "notes.txt") {
				t.Errorf("notes.txt is told:\n%s", out)
			}
			p.lacks(pod.Name, "/app/notes.txt")
		}},
	} {
		t.Run(step.name, func(t *testing.T) {
			p, s := p.sub(t), s.sub(t)
			step.do(t, p, s)
			p.same(pod)
		})
	}
}

func TestFoldersFollowIntoTheContainer(t *testing.T) {
	t.Parallel()
	p := box(t)
	s := p.dev()
	pod := p.pod("web")

	for _, step := range []struct {
		name string
		do   func(p *project)
	}{
		{"a folder that is added", func(p *project) {
			p.write("files/new/deep/one.txt", "1")
			p.write("files/new/deep/two.txt", "2")
		}},
		{"a file in a folder that was just added", func(p *project) { p.write("files/new/three.txt", "3") }},
		{"a folder that is renamed", func(p *project) { p.rename("files/new", "files/newer") }},
		{"a folder that comes from elsewhere", func(p *project) {
			p.write("aside/x/y.txt", "y")
			p.rename("aside", "files/inside")
		}},
		{"a folder that leaves", func(p *project) { p.rename("files/inside", "outside") }},
		{"a folder that is deleted", func(p *project) { p.remove("files/newer") }},
		{"a file with blanks, quotes and letters of other languages in its name", func(p *project) {
			p.write("files/a b'c\"d $e.txt", "odd")
			p.write("files/größe-文件.txt", "letters")
		}},
		{"a script", func(p *project) { p.write("files/tool.sh", "#!/bin/sh\necho ran\n") }},
		{"a file that comes and goes and stays", func(p *project) {
			for range 30 {
				p.write("files/comes.txt", "here")
				p.remove("files/comes.txt")
			}
			p.write("files/comes.txt", "here to stay")
		}},
		{"a file that comes and goes and is gone", func(p *project) {
			for range 30 {
				p.write("files/goes.txt", "here")
				p.remove("files/goes.txt")
			}
		}},
		{"an empty file", func(p *project) { p.write("files/empty.txt", "") }},
		{"a large file", func(p *project) { p.write("files/large.bin", strings.Repeat("0123456789abcdef", 1<<18)) }},
	} {
		t.Run(step.name, func(t *testing.T) {
			p := p.sub(t)
			step.do(p)
			p.equal(pod.Name, "files", "/srv/files")
		})
	}
	t.Run("a symbolic link", func(t *testing.T) {
		p := p.sub(t)
		if err := os.Symlink("a.txt", p.path("files/link.txt")); err != nil {
			t.Fatal(err)
		}
		p.holds(pod.Name, "/srv/files/link.txt", p.read("files/a.txt"))
		p.remove("files/link.txt")
		p.lacks(pod.Name, "/srv/files/link.txt")
	})
	t.Run("a script that is made executable, and runs", func(t *testing.T) {
		p := p.sub(t)
		p.chmod("files/tool.sh")
		until(t, "the script runs", func() bool {
			out, err := p.in(pod.Name, "/srv/files/tool.sh")
			return err == nil && out == "ran\n"
		})
	})
	p.same(pod)
	if out := s.out.String(); strings.Count(out, "Building [box]")+strings.Count(out, "Found [box]") != 1 {
		t.Error("there was more than one build")
	}
}

func TestAFileAndAFolderChangePlaces(t *testing.T) {
	t.Parallel()
	p := box(t)
	p.write("files/either/x.txt", "x")
	p.dev()
	for _, step := range []struct {
		name string
		do   func(p *project)
	}{
		{"a file where a folder was", func(p *project) { p.remove("files/either"); p.write("files/either", "a file") }},
		{"a folder where a file was", func(p *project) { p.remove("files/either"); p.write("files/either/y.txt", "y") }},
	} {
		t.Run(step.name, func(t *testing.T) {
			p := p.sub(t)
			step.do(p)
			p.settles("files", "/srv/files")
		})
	}
}

// settles waits until there is one pod, whichever, that holds the same files as a folder of the project.
func (p *project) settles(folder, remote string) {
	p.Helper()
	until(p.T, "one pod holds the files of "+folder, func() bool {
		pods := p.pods()
		if len(pods) != 1 || !ready(pods[0]) {
			return false
		}
		got, problem := p.sums(pods[0].Name, remote)
		return problem == "" && cmp.Equal(p.digests(folder), got)
	})
}

// equal waits until a folder in the container holds the same files as one of the project, by digest.
func (p *project) equal(pod, folder, remote string) {
	p.Helper()
	var diff string
	if !p.waitIn(pod, func() bool {
		var got map[string]string
		if got, diff = p.sums(pod, remote); diff != "" {
			return false
		}
		diff = cmp.Diff(p.digests(folder), got)
		return diff == ""
	}) {
		p.Fatalf("the container does not hold the same files (-here +there):\n%s", diff)
	}
}

// sums is the digest of every file below a folder of the container, or why there is none.
func (p *project) sums(pod, folder string) (sums map[string]string, problem string) {
	out, err := p.in(pod, "sh", "-c", "cd "+folder+" && find . -type f -exec sha256sum {} +")
	if err != nil {
		return nil, err.Error()
	}
	sums = map[string]string{}
	for line := range strings.Lines(out) {
		sum, name, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "  ")
		sums[strings.TrimPrefix(name, "./")] = sum
	}
	return sums, ""
}

// digests is the digest of every file below a folder of the project.
func (p *project) digests(folder string) map[string]string {
	p.Helper()
	files := p.files(folder)
	for _, name := range slices.Collect(maps.Keys(files)) {
		files[name] = sha(files[name])
	}
	return files
}
