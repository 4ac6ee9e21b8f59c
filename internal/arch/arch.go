// Package arch is one test: the table of who may import whom, kept true. It parses the files of the module itself.
package arch

import (
	"fmt"
	"strings"
)

// Module is the import path of the module.
const Module = "github.com/skiff-dev/skiff"

// Room is one package below internal, with the floor it lies on and the rooms it may import.
type Room struct {
	Name  string
	Floor int
	May   []string
}

// Rooms is the house from the ground up. A folder below a room (image/docker) belongs to it: it may import what the room may, and
// the room; the room itself never imports what lies below it.
func Rooms() []Room {
	return []Room{
		{"arch", 1, nil},
		{"diag", 1, nil},
		{"event", 1, nil},
		{"tree", 1, nil},

		{"config", 2, []string{"diag"}},
		{"engine", 2, []string{"diag"}},
		{"kube", 2, []string{"diag"}},
		{"proc", 2, []string{"diag"}},
		{"term", 2, []string{"event", "diag"}},
		{"api", 2, []string{"event", "diag"}},
		{"watch", 2, []string{"tree", "diag"}},

		{"debug", 3, []string{"kube"}},
		{"deploy", 3, []string{"config", "kube", "engine", "event", "diag"}},
		{"detect", 3, []string{"config", "tree", "diag"}},
		{"filesync", 3, []string{"config", "tree", "kube", "event", "diag"}},
		{"forward", 3, []string{"config", "kube", "event", "diag"}},
		{"image", 3, []string{"config", "tree", "proc", "kube", "engine", "event", "diag"}},
		{"local", 3, []string{"config", "tree", "proc", "kube", "event", "diag"}},
		{"logs", 3, []string{"kube", "event"}},
		{"render", 3, []string{"config", "kube", "event", "diag"}},
		{"settings", 3, []string{"config", "diag"}},
		{"status", 3, []string{"kube", "event", "diag"}},
		{"tag", 3, []string{"config", "tree", "proc", "diag"}},
		{"task", 3, []string{"config", "proc", "kube", "engine", "event", "diag"}},

		{"pipeline", 4, []string{"tag", "image", "task", "render", "debug", "deploy", "status", "config", "tree", "kube", "event", "diag"}},

		{"dev", 5, []string{"pipeline", "watch", "filesync", "forward", "logs", "local", "proc", "config", "kube", "event", "diag"}},
	}
}

// Top is the room that may import every other: the one place that wires.
const Top = "cli"

// Homes says which room holds a heavy library: the prefix of an import path, and the rooms in which it may occur.
func Homes() map[string][]string {
	return map[string][]string{
		"github.com/spf13/cobra":                   {"cli"},
		"github.com/spf13/pflag":                   {"cli"},
		"github.com/moby/moby":                     {"engine"},
		"github.com/docker/docker":                 {"engine"},
		"github.com/moby/buildkit":                 {"engine", "image", "local"},
		"github.com/google/go-containerregistry":   {"image", "tag"},
		"github.com/buildpacks/pack":               {"image"},
		"github.com/fsnotify/fsnotify":             {"watch"},
		"helm.sh/helm":                             {"render", "deploy"},
		"sigs.k8s.io/kustomize":                    {"render"},
		"github.com/go-git/go-git":                 {"tag", "config"},
		"github.com/fluxcd/cli-utils":              {"status"},
		"go.yaml.in/yaml":                          {"config", "kube", "local", "settings"},
		"k8s.io/client-go/kubernetes":              {"kube", "deploy", "status", "logs", "forward", "filesync", "task", "cli"},
		"k8s.io/client-go/tools/clientcmd":         {"kube"},
		"k8s.io/client-go/tools/remotecommand":     {"kube"},
		"k8s.io/client-go/transport":               {"kube"},
		"github.com/rogpeppe/go-internal/txtar":    {"config"},
		"github.com/rogpeppe/go-internal/diff":     {},
		"github.com/rogpeppe/go-internal/lockfile": {},
	}
}

// Table is Rooms as the Markdown table of docs/architecture.md.
func Table() string {
	var b strings.Builder
	b.WriteString("| room | floor | may import |\n|---|---|---|\n")
	for _, r := range Rooms() {
		may := strings.Join(r.May, " ")
		if may == "" {
			may = "nothing of ours"
		}
		fmt.Fprintf(&b, "| %s | %d | %s |\n", r.Name, r.Floor, may)
	}
	fmt.Fprintf(&b, "| %s | 6 | everything it wires |\n", Top)
	return b.String()
}
