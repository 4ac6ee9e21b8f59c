package config

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPatchesFollowWhatTheyPatch(t *testing.T) {
	for _, tt := range []struct{ version, path, want string }{
		{"v1beta6", "/build/kaniko/namespace", "/build/cluster/namespace"},
		{"v1beta13", "/build/artifacts/0/jibMaven/module", "/build/artifacts/0/jib/project"},
		{"v1beta13", "/build/artifacts/image=web/jibGradle/args/0", "/build/artifacts/image=web/jib/args/0"},
		{"v2alpha2", "/deploy/kustomize/path", "/deploy/kustomize/paths/0"},
		{"v2alpha2", "/deploy/kustomize/paths", "/deploy/kustomize/paths"},
		{"v2beta4", "/build/artifacts/1/buildpack", "/build/artifacts/1/buildpacks"},
		{"v2beta22", "/build/artifacts/0/docker/secret/id", "/build/artifacts/0/docker/secrets/0/id"},
		{"v2beta25", "/build/artifacts/0/-/args", "/build/artifacts/0/ko/flags"},
		{"v2beta27", "/build/artifacts/0/ko/platforms/1", "/build/artifacts/0/platforms/1"},
		{"v3", "/deploy/kubectl/remoteManifests/0", "/manifests/remoteManifests/0/manifest"},
		{"v3", "deploy/kubectl/remoteManifests/0", "deploy/kubectl/remoteManifests/0"},
		{"v3", "/build", "/build"},
	} {
		d := checked(t, "apiVersion: skaffold/"+tt.version+"\nkind: Config\nprofiles: [{name: p, patches: [{op: remove, path: "+tt.path+"}]}]\n")
		stepFrom(t, tt.version).apply(d)
		if got := find(d.root, "profiles[].patches[].path")[0].Value; got != tt.want {
			t.Errorf("after %s %s is %s, want %s", tt.version, tt.path, got, tt.want)
		}
	}
}

// TestPatchesOfOneSyncEntry patches the map that sync was until v1beta9 by its keys.
func TestPatchesOfOneSyncEntry(t *testing.T) {
	base := "apiVersion: skaffold/v1beta9\nkind: Config\nbuild:\n  artifacts:\n  - image: web\n    sync: {'*.py': /app, 'src/***/*.js': /js}\n  - image: api\n    sync: {}\n"
	for _, tt := range []struct{ name, patch, same string }{
		{"replace", "{path: '/build/artifacts/0/sync/*.py', value: /new}", "sync: {'*.py': /new, 'src/***/*.js': /js}"},
		{"a key with a slash", "{op: replace, path: '/build/artifacts/image=web/sync/src~1***~1*.js', value: /new/src}", "sync: {'*.py': /app, 'src/***/*.js': /new/src}"},
		{"remove", "{op: remove, path: '/build/artifacts/0/sync/*.py'}", "sync: {'src/***/*.js': /js}"},
		{"add what is there", "{op: add, path: '/build/artifacts/0/sync/*.py', value: /new}", "sync: {'*.py': /new, 'src/***/*.js': /js}"},
		{"add what is not there", "{op: add, path: '/build/artifacts/0/sync/*.rb', value: /new}", "sync: {'*.py': /app, 'src/***/*.js': /js, '*.rb': /new}"},
	} {
		got := effective(t, base+"profiles: [{name: pp, patches: ["+tt.patch+"]}]\n", "pp")
		want := effective(t, strings.Replace(base, "sync: {'*.py': /app, 'src/***/*.js': /js}", tt.same, 1))
		if diff := cmp.Diff(want, got); diff != "" || want == "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}
