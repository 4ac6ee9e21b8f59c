package docker

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/skiff-dev/skiff/internal/config"
	"github.com/skiff-dev/skiff/internal/diag"
	"github.com/skiff-dev/skiff/internal/engine"
	"github.com/skiff-dev/skiff/internal/image"
	"github.com/skiff-dev/skiff/internal/proc"
)

// wantsCLI is whether the project asks for the docker command: only then is it run.
func wantsCLI(a *config.Artifact) bool {
	if len(a.Docker.CLIFlags) > 0 {
		return true
	}
	return a.Config != nil && a.Config.Build.Local != nil && a.Config.Build.Local.UseDockerCLI
}

// Check says before the first build what an artifact lacks.
func (b *Builder) Check(a *config.Artifact) error {
	if !wantsCLI(a) {
		return nil
	}
	if _, err := proc.Look("docker", b.o.Dir, b.o.Environ); err != nil {
		why := "docker.cliFlags"
		if len(a.Docker.CLIFlags) == 0 {
			why = "build.local.useDockerCLI"
		}
		return wrap(image.Request{Artifact: a}, diag.Errorf("install the docker command, or remove "+why+": skiff builds without it",
			"%s needs the docker command, which is not on the PATH", why))
	}
	return nil
}

// runCLI builds with the docker command and returns the image's ID.
func (b *Builder) runCLI(ctx context.Context, r image.Request, o engine.BuildOptions, out func(line string)) (string, error) {
	dir, err := os.MkdirTemp("", "skiff-build-")
	if err != nil {
		return "", fmt.Errorf("temporary folder: %w", err)
	}
	defer os.RemoveAll(dir)
	idFile := filepath.Join(dir, "id")
	args, err := b.commandLine(r, o, idFile)
	if err != nil {
		return "", err
	}
	command := proc.Command{Args: args, Dir: b.o.Dir, Env: b.commandEnv(o)}
	err = b.o.Guard.Run(ctx, command, func(l proc.Line) { out(l.Text) })
	var exit proc.Exit
	if errors.As(err, &exit) {
		return "", &diag.Error{What: fmt.Sprintf("docker build exited with %d (its last lines are above)", exit.Code), Code: diag.CodeBuild, Err: err}
	}
	if err != nil {
		return "", err
	}
	id, err := os.ReadFile(idFile)
	if err != nil {
		return "", diag.Errorf("remove flags that keep the image out of the engine from docker.cliFlags", "docker build made no image: %w", err)
	}
	return strings.TrimSpace(string(id)), nil
}

// commandEnv is the environment of the docker command: ours, with the builder and the engine that were chosen.
func (b *Builder) commandEnv(o engine.BuildOptions) []string {
	env := append([]string{}, b.o.Environ...)
	switch o.Builder {
	case engine.BuildKit:
		env = append(env, "DOCKER_BUILDKIT=1")
	case engine.Classic:
		env = append(env, "DOCKER_BUILDKIT=0")
	}
	return env
}

// commandLine is what docker is told. Secrets are named by their source, never by their value.
func (b *Builder) commandLine(r image.Request, o engine.BuildOptions, idFile string) ([]string, error) {
	args := []string{"docker", "build", "--file", o.Dockerfile, "--iidfile", idFile}
	if o.Builder == engine.Classic {
		args = append(args, "--force-rm") // what a failed step leaves
	}
	for _, tag := range o.Tags {
		args = append(args, "--tag", tag)
	}
	for _, name := range sorted(o.Args) {
		if o.Args[name] == nil {
			args = append(args, "--build-arg", name)
			continue
		}
		args = append(args, "--build-arg", name+"="+*o.Args[name])
	}
	for flag, value := range map[string]string{"--target": o.Target, "--network": o.Network, "--platform": o.Platform} {
		if value != "" {
			args = append(args, flag, value)
		}
	}
	for flag, list := range map[string][]string{"--cache-from": o.CacheFrom, "--add-host": o.AddHost} {
		for _, value := range list {
			args = append(args, flag, value)
		}
	}
	for flag, on := range map[string]bool{"--no-cache": o.NoCache, "--pull": o.Pull, "--squash": o.Squash} {
		if on {
			args = append(args, flag)
		}
	}
	for _, s := range r.Artifact.Docker.Secrets {
		args = append(args, "--secret", b.secretFlag(s))
	}
	if ssh := r.Artifact.Docker.SSH; ssh != "" {
		args = append(args, "--ssh", ssh)
	}
	for _, flag := range r.Artifact.Docker.CLIFlags {
		text, err := b.expand("docker.cliFlags", flag, r.Ref)
		if err != nil {
			return nil, err
		}
		args = append(args, text)
	}
	return append(args, o.Context), nil
}

// secretFlag names a secret for the docker command.
func (b *Builder) secretFlag(s *config.DockerSecret) string {
	switch {
	case s.Env != "":
		return "id=" + s.ID + ",env=" + s.Env
	case s.Src != "":
		return "id=" + s.ID + ",src=" + b.path(s.Src)
	}
	return "id=" + s.ID
}
