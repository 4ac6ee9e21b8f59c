package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

const (
	flaskPod    = "python"
	flaskFolder = "/app" // in the container
	idlePod     = "tree"
)

// flask copies the tutorial, with more modules if asked for, and commits it, as a user's project is.
func (l *lab) flask(ctx context.Context, name string, modules map[string][]byte) (string, error) {
	dir := filepath.Join(l.tmp, name)
	if err := os.CopyFS(dir, os.DirFS(filepath.Join(l.root, "examples", "flask"))); err != nil {
		return "", err
	}
	for file, content := range modules {
		if err := os.WriteFile(filepath.Join(dir, file), content, 0o644); err != nil {
			return "", err
		}
	}
	return dir, commit(ctx, dir)
}

func commit(ctx context.Context, dir string) error {
	for _, args := range [][]string{
		// What git does in the background afterwards would be measured with the rest.
		{"init", "-q"}, {"config", "gc.auto", "0"}, {"config", "maintenance.auto", "false"}, {"add", "-A"},
		{"-c", "user.name=bench", "-c", "user.email=bench@localhost", "commit", "-q", "-m", "the project"},
	} {
		git := exec.CommandContext(ctx, "git", append([]string{"-C", dir}, args...)...)
		if text, err := git.CombinedOutput(); err != nil {
			return fmt.Errorf("git %s: %w: %s", args[0], err, text)
		}
	}
	return nil
}

// forest is a project with many files in many folders, all of them in the image.
func (l *lab) forest(folders, inOne int) (string, error) {
	dir := filepath.Join(l.tmp, "forest")
	for name, content := range map[string]string{
		"skaffold.yaml": "apiVersion: skaffold/v4beta14\nkind: Config\nbuild:\n  artifacts:\n  - image: bench-tree\n    sync:\n      manual:\n      - src: '**/*.py'\n        dest: .\n" +
			"manifests:\n  rawYaml: [k8s/*.yaml]\n",
		".dockerignore": ".git\n",
		"Dockerfile":    "FROM python:3.12-slim\nWORKDIR /tree\nCOPY . .\nCMD [\"sleep\", \"1000000\"]\n",
		"k8s/pod.yaml": "apiVersion: v1\nkind: Pod\nmetadata:\n  name: " + idlePod + "\nspec:\n  terminationGracePeriodSeconds: 0\n  containers:\n" +
			"  - name: tree\n    image: bench-tree\n",
	} {
		if err := put(filepath.Join(dir, name), content); err != nil {
			return "", err
		}
	}
	for i := range folders {
		// Two levels, as a large repository has: a hundred packages of folders.
		folder := filepath.Join(dir, "src", fmt.Sprintf("p%02d", i%100), fmt.Sprintf("d%04d", i))
		for j := range inOne {
			if err := put(filepath.Join(folder, fmt.Sprintf("m%d.py", j)), fmt.Sprintf("name = \"%d/%d\"\n", i, j)); err != nil {
				return "", err
			}
		}
	}
	return dir, nil
}

func put(file, content string) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return os.WriteFile(file, []byte(content), 0o644)
}
