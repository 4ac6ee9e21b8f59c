//go:build e2e

package e2e

import (
	"strings"
	"testing"
)

// ran puts a step into the Dockerfile that only an engine does, before the files are copied.
func (p *project) ran() {
	p.Helper()
	p.replace("Dockerfile", "WORKDIR /srv\n", "WORKDIR /srv\nRUN echo "+p.namespace+" > /made\n")
}

func TestAChangedFileOfTheLastCopyIsPutIntoTheImageWithoutABuild(t *testing.T) {
	t.Parallel()
	p := box(t).freshCache()
	p.ran()
	s := p.dev()
	if world.cluster.registry == "" {
		t.Skip("the cluster announces no registry: images stay in the engine")
	}
	first := p.image("web")

	mark := s.mark()
	p.write("data.cfg", "assembled\n")
	second := p.rebuilt("web", first)
	s.matches(mark, `^Assembled and pushed \[box\]: .* \(1 of \d+ layers new, `)
	s.says(mark, "Watching for changes...")
	p.holds(p.pod("web").Name, "/srv/data.cfg", "assembled\n")
	p.holds(p.pod("web").Name, "/made", p.namespace+"\n")

	mark = s.mark()
	p.replace("Dockerfile", "COPY data.cfg .", "COPY data.cfg copy.cfg\nCOPY data.cfg .")
	third := p.rebuilt("web", second)
	s.matches(mark, `^Built and pushed \[box\]: .* \(in full: Dockerfile changed, `)
	s.says(mark, "Watching for changes...")

	// What was built in full is what the next change is put into.
	mark = s.mark()
	p.write("data.cfg", "again\n")
	p.rebuilt("web", third)
	s.matches(mark, `^Assembled and pushed \[box\]: .* \(2 of \d+ layers new, `)
	s.says(mark, "Watching for changes...")
	p.holds(p.pod("web").Name, "/srv/copy.cfg", "again\n")
}

func TestADockerfileThatRunsNothingNeedsNoEngine(t *testing.T) {
	t.Parallel()
	p := box(t).freshCache()
	if world.cluster.registry == "" {
		t.Skip("the cluster announces no registry to take the base image from")
	}
	p.replace("Dockerfile", "FROM busybox", "FROM "+world.cluster.registry+"/library/busybox")
	p.env = append(p.env, "DOCKER_HOST=unix:///nowhere/docker.sock")
	p.must("run")
	p.holds(p.pod("web").Name, "/srv/files/a.txt", p.read("files/a.txt"))
	p.write("data.cfg", "without an engine\n")
	r := p.must("run")
	if !strings.Contains(r.stdout+r.stderr, "Assembled and pushed [box]") {
		t.Errorf("it was not assembled:\n%s%s", r.stdout, r.stderr)
	}
	until(t, "one pod is left", func() bool { return len(p.pods()) == 1 })
	p.holds(p.pod("web").Name, "/srv/data.cfg", "without an engine\n")
}
