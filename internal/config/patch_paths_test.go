package config

import "testing"

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
