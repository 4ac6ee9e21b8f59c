package jib

import (
	"strings"

	"github.com/skiff-dev/skiff/internal/config"
)

// minimum is the version of the plugin that has all that is asked of it; minimumSync that of one that tells what it copies.
const (
	minimum     = "1.4.0"
	minimumSync = "2.0.0"
)

// job is what a tool is to do.
type job struct {
	jib       config.JibArtifact
	ref       string
	push      bool
	skipTests bool
	insecure  bool
	base      string
	platforms []string
}

// tool knows the arguments of a build tool.
type tool interface {
	command() string
	build(j job) []string
	files(j config.JibArtifact) []string
	syncMap(j config.JibArtifact) []string
}

// maven is Maven with the jib plugin.
type maven struct{ path string }

func (m maven) command() string { return m.path }

// common are the arguments of every run: which plugin, and which projects.
func (maven) common(j config.JibArtifact, version string) []string {
	args := append([]string{"jib:_skaffold-fail-if-jib-out-of-date", "-Djib.requiredVersion=" + version}, j.Args...)
	if j.Project == "" {
		return append(args, "--non-recursive")
	}
	return append(args, "--projects", j.Project, "--also-make")
}

func (m maven) goal(j config.JibArtifact, goal, version string, skipTests bool) []string {
	args := append([]string{"--batch-mode"}, m.common(j, version)...)
	if skipTests {
		args = append(args, "-DskipTests=true")
	}
	if j.Project == "" {
		return append(args, "prepare-package", "jib:"+goal)
	}
	// Modules that the project needs are packaged on the way; only the project itself becomes an image.
	return append(args, "package", "jib:"+goal, "-Djib.containerize="+j.Project)
}

func (m maven) build(j job) []string {
	goal := "dockerBuild"
	if j.push {
		goal = "build"
	}
	return append(append(m.goal(j.jib, goal, minimum, j.skipTests), j.properties()...), "-Dimage="+j.ref)
}

func (m maven) files(j config.JibArtifact) []string {
	return append(m.common(j, minimum), "jib:_skaffold-files-v2", "--quiet", "--batch-mode")
}

func (m maven) syncMap(j config.JibArtifact) []string {
	return m.goal(j, "_skaffold-sync-map", minimumSync, true)
}

// properties are what both tools take in the same form.
func (j job) properties() []string {
	var args []string
	if j.insecure {
		args = append(args, "-Djib.allowInsecureRegistries=true")
	}
	if j.base != "" {
		args = append(args, "-Djib.from.image="+j.base)
	}
	if len(j.platforms) > 0 {
		args = append(args, "-Djib.from.platforms="+strings.Join(j.platforms, ","))
	}
	return args
}

// gradle is Gradle with the jib plugin.
type gradle struct{ path string }

func (g gradle) command() string { return g.path }

func (gradle) task(j config.JibArtifact, name, version string) []string {
	args := []string{"_skaffoldFailIfJibOutOfDate", "-Djib.requiredVersion=" + version}
	if j.Project == "" {
		return append(args, ":"+name)
	}
	return append(args, ":"+strings.TrimPrefix(j.Project, ":")+":"+name)
}

func (g gradle) goal(j config.JibArtifact, name, version string, skipTests bool) []string {
	args := append([]string{"--console=plain"}, g.task(j, name, version)...)
	if skipTests {
		args = append(args, "-x", "test")
	}
	return append(args, j.Args...)
}

func (g gradle) build(j job) []string {
	name := "jibDockerBuild"
	if j.push {
		name = "jib"
	}
	return append(append(g.goal(j.jib, name, minimum, j.skipTests), j.properties()...), "--image="+j.ref)
}

func (g gradle) files(j config.JibArtifact) []string {
	return append(append(g.task(j, "_jibSkaffoldFilesV2", minimum), "-q", "--console=plain"), j.Args...)
}

func (g gradle) syncMap(j config.JibArtifact) []string {
	return g.goal(j, "_jibSkaffoldSyncMap", minimumSync, true)
}
