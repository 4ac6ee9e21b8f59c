package main

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const (
	loadLargest = "diagnose --yaml-only, largest real file"
	loadModules = "diagnose --yaml-only, 60 modules"
)

// measureLoad takes the time of whole processes that only load a project: the largest of the real files, where there are some
// (SKIFF_CORPUS, or a folder shared/corpus beside the checkout), and a made project of 60 files.
func measureLoad(ctx context.Context, l *lab) (Result, error) {
	r := Result{How: fmt.Sprintf("%d runs each, by turns, medians; clock: the wall, from just before the process is started until it has ended", l.runs), Samples: map[string][]float64{}}
	modules, err := makeModules(filepath.Join(l.tmp, "modules"), 60)
	if err != nil {
		return r, err
	}
	files := map[string]string{loadModules: modules}
	if file := l.largest(ctx); file != "" {
		files[loadLargest] = file
	}
	for range l.runs {
		for name, file := range files {
			begin := time.Now()
			if text, err := l.diagnose(ctx, file).CombinedOutput(); err != nil {
				return r, fmt.Errorf("%s: %w: %s", name, err, text)
			}
			r.Samples[name] = append(r.Samples[name], milliseconds(time.Since(begin)))
		}
	}
	for _, name := range []string{loadLargest, loadModules} {
		if samples := r.Samples[name]; samples != nil {
			r.Rows = append(r.Rows, row("load", name, "ms", median(samples)))
		}
	}
	return r, nil
}

func (l *lab) diagnose(ctx context.Context, file string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, l.skiff, "diagnose", "--yaml-only", "-f", file)
	cmd.Dir, cmd.Env = filepath.Dir(file), l.environ()
	return cmd
}

// largest is the largest of the real files that loads by itself, "" where there are none.
func (l *lab) largest(ctx context.Context) string {
	root := cmp.Or(os.Getenv("SKIFF_CORPUS"), filepath.Join(l.root, "..", "shared", "corpus"))
	sizes := map[string]int64{}
	var files []string
	_ = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".yaml") || strings.Contains(d.Name(), ".yaml.") {
			return nil
		}
		if info, err := d.Info(); err == nil {
			sizes[path] = info.Size()
			files = append(files, path)
		}
		return nil
	})
	slices.SortFunc(files, func(a, b string) int { return cmp.Compare(sizes[b], sizes[a]) })
	for _, file := range files {
		if l.diagnose(ctx, file).Run() == nil {
			return file
		}
	}
	return ""
}

// makeModules writes a project of many files with five images each, all of an old version, and is its first file.
func makeModules(dir string, count int) (string, error) {
	for i := range count {
		var b strings.Builder
		fmt.Fprintf(&b, "apiVersion: skaffold/v2beta11\nkind: Config\nmetadata: {name: m%d}\n", i)
		for j := 1; j < count && i == 0; j++ {
			if j == 1 {
				b.WriteString("requires:\n")
			}
			fmt.Fprintf(&b, "- {path: m%d, configs: [m%d]}\n", j, j)
		}
		b.WriteString("build:\n  artifacts:\n")
		for j := range 5 {
			fmt.Fprintf(&b, "  - image: m%d-%d\n    context: src\n    docker: {dockerfile: Dockerfile, buildArgs: {A: b}}\n    sync: {manual: [{src: 'a/**', dest: /app}]}\n", i, j)
		}
		b.WriteString("deploy:\n  kubectl: {manifests: [k8s/*.yaml]}\nprofiles:\n- name: fast\n  activation: [{command: diagnose}]\n  patches: [{path: /build/artifacts/0/docker/dockerfile, value: Dockerfile.fast}]\n")
		folder := dir
		if i > 0 {
			folder = filepath.Join(dir, fmt.Sprintf("m%d", i))
		}
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return "", fmt.Errorf("make the modules: %w", err)
		}
		if err := os.WriteFile(filepath.Join(folder, "skaffold.yaml"), []byte(b.String()), 0o600); err != nil {
			return "", fmt.Errorf("make the modules: %w", err)
		}
	}
	return filepath.Join(dir, "skaffold.yaml"), nil
}
