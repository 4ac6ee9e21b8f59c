package cli

import (
	"testing"

	"github.com/skiff-dev/skiff/internal/config"
	"github.com/skiff-dev/skiff/internal/event"
	"github.com/skiff-dev/skiff/internal/kube"
	"github.com/skiff-dev/skiff/internal/settings"
)

func TestWhereImagesGo(t *testing.T) {
	yes, no := true, false
	for _, tt := range []struct {
		name, context, flag, registry, repo string
		push                                *bool
		set                                 settings.Values
		pushed, loaded                      bool
	}{
		{name: "kind", context: "kind-dev", loaded: true},
		{name: "kind of old", context: "dev@kind", loaded: true},
		{name: "k3d", context: "k3d-dev", loaded: true},
		{name: "kind with a default repository", context: "kind-dev", repo: "reg", loaded: true},
		{name: "kind with a registry of its own", context: "kind-dev", registry: "localhost:5001", pushed: true},
		{name: "kind without loading", context: "kind-dev", set: settings.Values{KindDisableLoad: &yes}, pushed: true},
		{name: "kind with the setting of k3d", context: "kind-dev", set: settings.Values{K3dDisableLoad: &yes}, loaded: true},
		{name: "k3d without loading", context: "k3d-dev", set: settings.Values{K3dDisableLoad: &yes}, pushed: true},
		{name: "minikube", context: "minikube"},
		{name: "Docker Desktop", context: "docker-desktop"},
		{name: "a cluster somewhere", context: "prod", pushed: true},
		{name: "a cluster that is called local", context: "prod", set: settings.Values{LocalCluster: &yes}},
		{name: "kind that is called remote", context: "kind-dev", set: settings.Values{LocalCluster: &no}, pushed: true},
		{name: "the project pushes", context: "kind-dev", push: &yes, pushed: true},
		{name: "the project does not push", context: "prod", push: &no},
		{name: "the flag pushes", context: "kind-dev", flag: "true", push: &no, pushed: true},
		{name: "the flag does not", context: "kind-dev", flag: "false", push: &yes, loaded: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := &config.Config{}
			c.Build.Local = &config.LocalBuild{Push: tt.push}
			s := &session{options: &options{push: tt.flag, defaultRepo: tt.repo}, command: "run", bus: &event.Bus{}}
			s.project, s.cluster, s.settings, s.registry = &config.Project{Configs: []*config.Config{c}}, &kube.Cluster{Context: tt.context}, tt.set, tt.registry
			pushed := s.pushes()
			if loaded := s.loads(pushed) != nil; pushed != tt.pushed || loaded != tt.loaded {
				t.Errorf("pushed %v, loaded %v; want %v, %v", pushed, loaded, tt.pushed, tt.loaded)
			}
		})
	}
}
