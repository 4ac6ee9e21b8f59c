package cli

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"

	"github.com/containerd/platforms"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/skiff-dev/skiff/internal/config"
	"github.com/skiff-dev/skiff/internal/diag"
	"github.com/skiff-dev/skiff/internal/event"
)

// nodesAsked is how many nodes are asked for their platform: a cluster of thousands has no more kinds of them.
const nodesAsked = 100

// platformsOf says for which platforms an artifact is built: those that the user asks for, as far as the cluster's nodes run them
// and the artifact allows them. Empty leaves it to the builder.
func (s *session) platformsOf(project *config.Project) (func(a *config.Artifact) (string, error), error) {
	flag, err := normalPlatforms(s.platforms)
	if err != nil {
		return nil, usage("write it as linux/arm64", fmt.Errorf("--platform: %w", err))
	}
	byModule := map[*config.Config][]string{}
	for _, c := range project.Configs {
		wanted := flag
		if len(s.platforms) == 0 {
			if wanted, err = normalPlatforms(c.Build.Platforms); err != nil {
				return nil, c.Fault(err.Error(), "write it as linux/arm64", "build", "platforms")
			}
		}
		byModule[c] = s.onNodes(wanted)
	}
	return func(a *config.Artifact) (string, error) {
		wanted, ok := byModule[a.Config]
		if !ok {
			wanted = s.onNodes(flag)
		}
		allowed, err := normalPlatforms(a.Platforms)
		if err != nil {
			return "", diag.Errorf("write it as linux/arm64", "image %q: %w", a.Image, err)
		}
		list := both(wanted, allowed)
		if len(wanted) > 0 && len(allowed) > 0 && len(list) == 0 {
			return "", diag.Errorf("change \"platforms\" of the artifact, or --platform",
				"image %q is built for %s, and %s is wanted", a.Image, strings.Join(allowed, ", "), strings.Join(wanted, ", "))
		}
		if named := len(s.platforms) > 0 || len(a.Platforms) > 0 || a.Config != nil && len(a.Config.Build.Platforms) > 0; !named && slices.Equal(list, []string{host()}) {
			return "", nil
		}
		return s.narrow(list), nil
	}, nil
}

// host is the platform that builders on this machine take by themselves.
func host() string { return "linux/" + runtime.GOARCH }

// narrow keeps one platform where only one is of use: the host's own, else the first.
func (s *session) narrow(list []string) string {
	if s.onePlatform() && len(list) > 1 {
		if slices.Contains(list, host()) {
			list = []string{host()}
		}
		list = list[:1]
	}
	return strings.Join(list, ",")
}

// onePlatform is whether an image for several platforms is cut down to one: in the loop, unless the user says otherwise.
func (s *session) onePlatform() bool {
	if s.disableMultiPlatform != "" {
		return s.disableMultiPlatform == "true"
	}
	return s.command == "dev" || s.command == "debug"
}

// onNodes is what of the wanted platforms the cluster's nodes run, and what they run where none is wanted.
func (s *session) onNodes(wanted []string) []string {
	if len(wanted) == 0 {
		return s.nodes
	}
	if len(s.nodes) == 0 {
		return wanted
	}
	if some := both(wanted, s.nodes); len(some) > 0 {
		return some
	}
	s.bus.Send(event.Note{Warn: true, Text: fmt.Sprintf("The cluster's nodes run %s, and images are built for %s.", strings.Join(s.nodes, ", "), strings.Join(wanted, ", "))})
	return wanted
}

// askNodes learns which platforms the cluster's nodes have. Whoever may not list nodes builds for the builder's own platform.
func (s *session) askNodes(ctx context.Context) {
	if s.checkNodes == "false" || s.command != "dev" && s.command != "run" && s.command != "debug" {
		return
	}
	list, err := s.cluster.Typed.CoreV1().Nodes().List(ctx, metav1.ListOptions{Limit: nodesAsked, ResourceVersion: "0"})
	if err != nil {
		return
	}
	for _, n := range list.Items {
		if p := n.Status.NodeInfo.OperatingSystem + "/" + n.Status.NodeInfo.Architecture; p != "/" && !slices.Contains(s.nodes, p) {
			s.nodes = append(s.nodes, p)
		}
	}
	slices.Sort(s.nodes)
}

// both are the platforms that stand in both lists; a list that is empty restricts nothing.
func both(a, b []string) []string {
	if len(a) == 0 {
		return b
	}
	if len(b) == 0 {
		return a
	}
	return slices.DeleteFunc(slices.Clone(a), func(p string) bool { return !slices.Contains(b, p) })
}

// normalPlatforms spells platforms in one way: "arm64" is linux/arm64. "all" restricts nothing.
func normalPlatforms(list []string) ([]string, error) {
	var normal []string
	for _, text := range list {
		text = strings.TrimSpace(text)
		if text == "all" {
			return nil, nil
		}
		if !strings.Contains(text, "/") {
			text = "linux/" + text
		}
		p, err := platforms.Parse(text)
		if err != nil {
			return nil, fmt.Errorf("platform %q: %w", text, err)
		}
		if one := platforms.Format(platforms.Normalize(p)); !slices.Contains(normal, one) {
			normal = append(normal, one)
		}
	}
	return normal, nil
}
