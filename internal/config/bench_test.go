package config

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

func BenchmarkLoadASmallFile(b *testing.B) {
	const text = "apiVersion: skaffold/v4beta14\nkind: Config\nbuild:\n  artifacts:\n  - image: web\n    sync:\n      manual:\n      - {src: 'a/**', dest: .}\nmanifests:\n  rawYaml: [k8s/*.yaml]\n"
	for b.Loop() {
		if _, err := load(b, text); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkLoadTheLargestRealFile loads the largest file of the corpus.
func BenchmarkLoadTheLargestRealFile(b *testing.B) {
	root := corpus(b)
	largest, size := "", int64(0)
	for _, row := range verdicts(b, root) {
		file := filepath.Join(root, row["dir"], row["path"])
		if info, err := os.Stat(file); err == nil && row["diagnose_rc"] == "0" && info.Size() > size {
			largest, size = file, info.Size()
		}
	}
	b.Logf("%s, %d bytes", largest, size)
	benchmarkFile(b, largest)
}

// BenchmarkLoadSixtyModules loads a project of 60 files with five images each, all of an old version, that require each other.
func BenchmarkLoadSixtyModules(b *testing.B) {
	dir := b.TempDir()
	for i := range 60 {
		text := fmt.Sprintf("apiVersion: skaffold/v2beta11\nkind: Config\nmetadata: {name: m%d}\n", i)
		if i == 0 {
			text += "requires:\n"
			for j := 1; j < 60; j++ {
				text += fmt.Sprintf("- {path: m%d, configs: [m%d]}\n", j, j)
			}
		}
		text += "build:\n  artifacts:\n"
		for j := range 5 {
			text += fmt.Sprintf("  - image: m%d-%d\n    context: src\n    docker: {dockerfile: Dockerfile, buildArgs: {A: b}}\n    sync: {manual: [{src: 'a/**', dest: /app}]}\n", i, j)
		}
		text += "deploy:\n  kubectl: {manifests: [k8s/*.yaml]}\nprofiles:\n- name: dev\n  activation: [{command: dev}]\n  patches: [{op: replace, path: /build/artifacts/0/docker/dockerfile, value: Dockerfile.dev}]\n"
		folder := dir
		if i > 0 {
			folder = filepath.Join(dir, fmt.Sprintf("m%d", i))
		}
		if err := os.MkdirAll(folder, 0o755); err != nil {
			b.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, "skaffold.yaml"), []byte(text), 0o600); err != nil {
			b.Fatal(err)
		}
	}
	benchmarkFile(b, filepath.Join(dir, "skaffold.yaml"))
}

func benchmarkFile(b *testing.B, file string) {
	b.Helper()
	for b.Loop() {
		p, err := Load(context.Background(), Options{File: file, Dir: filepath.Dir(file), Command: "diagnose", ProfileAutoActivation: true})
		if err != nil {
			b.Fatal(err)
		}
		if _, err := p.YAML(); err != nil {
			b.Fatal(err)
		}
	}
}
