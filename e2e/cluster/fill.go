package main

import (
	"context"
	"fmt"
)

// fill puts the base images where they are asked for.
func (s *session) fill() []step {
	layers := []string{"busybox layer", "debian layer", "python layer", "go layer"}
	return []step{
		{"images in registry", append([]string{"registry"}, layers...), s.fillRegistry},
		{"images in engine", []string{"engine", "images in registry"}, s.fillEngine},
	}
}

func (s *session) baseImages() ([]built, error) {
	var all []built
	for _, r := range recipes() {
		image, err := makeImage(r, s.blobs)
		if err != nil {
			return nil, err
		}
		all = append(all, image)
	}
	return all, nil
}

func (s *session) fillEngine(ctx context.Context) (string, error) {
	all, err := s.baseImages()
	if err != nil {
		return "", err
	}
	mine, err := s.processes("dockerd")
	if err != nil {
		return "", err
	}
	_, ours := leaderOf(mine)
	return loadImages(ctx, newEngine(), ours, all)
}

func (s *session) fillRegistry(ctx context.Context) (string, error) {
	all, err := s.baseImages()
	if err != nil {
		return "", err
	}
	local, pushed := registry{"http://" + registryHost}, 0
	for _, image := range all {
		for _, name := range image.names {
			fresh, err := local.push(ctx, image, name)
			if err != nil {
				return "", fmt.Errorf("push %s: %w", name, err)
			}
			if fresh {
				pushed++
			}
		}
	}
	if pushed == 0 {
		return "all there", nil
	}
	return fmt.Sprintf("%d pushed", pushed), nil
}
