package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"runtime"
	"strings"
)

// recipe is a base image: some layers, under the names that Dockerfiles use.
type recipe struct {
	names  []string
	layers []string // names of layers
	config object
}

// built is an image that was made.
type built struct {
	names  []string
	layers []blob
	config []byte
}

const debianPath = "PATH=" + systemPath

// recipes are the base images. alpine is busybox under another name, both Pythons are Debian's: enough for Dockerfiles that
// copy files and start programs.
func recipes() []recipe {
	goEnv := []string{"PATH=/go/bin:/usr/local/go/bin:" + systemPath, "GOPATH=/go", "GOTOOLCHAIN=local", "CGO_ENABLED=0", "GOFLAGS=-buildvcs=false"}
	return []recipe{
		{
			[]string{"busybox:latest", "busybox:1", "alpine:latest", "alpine:3"}, []string{"busybox"},
			object{"Env": []string{debianPath}, "Cmd": []string{"sh"}},
		},
		{
			[]string{"debian:bookworm-slim", "debian:latest", "debian:bookworm"}, []string{"debian"},
			object{"Env": []string{debianPath}, "Cmd": []string{"bash"}},
		},
		{
			[]string{"python:3.12-slim", "python:3.7-slim", "python:3-slim", "python:slim"}, []string{"python"},
			object{"Env": []string{debianPath, "LANG=C.UTF-8"}, "Cmd": []string{"python3"}},
		},
		{
			[]string{"golang:latest", "golang:1.23", "golang:1.26", "golang:alpine"}, []string{"debian", "go"},
			object{"Env": goEnv, "Cmd": []string{"bash"}, "WorkingDir": "/go"},
		},
	}
}

// layerSources make the layers that the recipes name. Debian's pip refuses to install beside apt's packages; in an image
// that stands for Python's own it must not.
func (c *cluster) layerSources() map[string]func(context.Context) (layer, error) {
	const clean = "rm -rf /var/cache/apt/archives/*.deb /var/lib/apt/lists/* /var/log/*.log /var/log/apt"
	fixed := func(l layer) func(context.Context) (layer, error) {
		return func(context.Context) (layer, error) { return l, nil }
	}
	return map[string]func(context.Context) (layer, error){
		"busybox": busyboxLayer,
		"debian":  fixed(c.debianLayer("debian", clean, "ca-certificates")),
		"python": fixed(c.debianLayer("python", clean+" /usr/lib/python3*/EXTERNALLY-MANAGED",
			"ca-certificates", "python3", "python-is-python3", "python3-pip", "python3-flask")),
		"go": goLayer,
	}
}

// makeImage puts layers that were made together.
func makeImage(r recipe, blobs map[string]blob) (built, error) {
	image := built{names: r.names}
	var ids []string
	for _, name := range r.layers {
		image.layers = append(image.layers, blobs[name])
		ids = append(ids, blobs[name].DiffID)
	}
	config, err := json.Marshal(object{
		"architecture": runtime.GOARCH, "os": "linux", "created": "2024-01-01T00:00:00Z", "config": r.config,
		"rootfs": object{"type": "layers", "diff_ids": ids},
	})
	image.config = config
	return image, err
}

// id is the image's id, as the engine counts it.
func (i built) id() string { return sha256Of(i.config) }

func sha256Of(data []byte) string {
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// repository splits a name as registries want it: library/python and 3.12-slim.
func repository(name string) (path, tag string) {
	path, tag, _ = strings.Cut(name, ":")
	if !strings.Contains(path, "/") {
		path = "library/" + path
	}
	return path, tag
}

// loadImages puts images into the engine. They come from the local registry, so that the engine knows their layers to be
// there and does not upload them with the first push of an image that is built on them. In an engine that is not ours, a name
// that exists is the user's and stays.
func loadImages(ctx context.Context, e *engine, ours bool, images []built) (string, error) {
	loaded := 0
	for _, image := range images {
		var names []string
		for _, name := range image.names {
			id := e.id(ctx, name)
			if id == "" || (ours && id != image.id()) {
				names = append(names, name)
			}
		}
		if len(names) == 0 {
			continue
		}
		path, tag := repository(image.names[0])
		if err := e.pull(ctx, registryHost+"/"+path, tag); err != nil {
			return "", fmt.Errorf("pull %s: %w", image.names[0], err)
		}
		for _, name := range names {
			short, shortTag, _ := strings.Cut(name, ":")
			if err := e.tag(ctx, registryHost+"/"+path+":"+tag, short, shortTag); err != nil {
				return "", fmt.Errorf("tag %s: %w", name, err)
			}
		}
		loaded++
	}
	if loaded == 0 {
		return "all there", nil
	}
	return fmt.Sprintf("%d loaded", loaded), nil
}
