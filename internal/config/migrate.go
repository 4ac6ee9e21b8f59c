package config

import (
	"fmt"

	"go.yaml.in/yaml/v3"
)

// step changes a document of one apiVersion into the next one. What a step does not name stays as it is; a field that
// the next version lacks is not read any more at the end.
type step struct {
	from     string // without "skaffold/"
	renames  []renaming
	patches  []patchMove
	pipeline func(u *upgrade, p *yaml.Node) // the top level, and then each profile
	document func(u *upgrade, root *yaml.Node)
}

// renaming gives a key at a place a new name, in the patches of the profiles too.
type renaming struct{ at, from, to string }

// upgrade is one document on its way to the latest version.
type upgrade struct {
	doc     *document
	profile string // the profile whose pipeline is at work, "" for the top level
}

// steps is what there is to do on the road from the oldest version to the latest. A version that is not here needs nothing.
func steps() []step {
	return []step{
		{from: "v1alpha1", document: fromV1alpha1},
		{from: "v1alpha2", pipeline: fromV1alpha2},
		{from: "v1alpha3", pipeline: fromV1alpha3, renames: []renaming{
			{"build.artifacts[]", "imageName", "image"},
			{"build.artifacts[]", "workspace", "context"},
			{"build.artifacts[].docker", "dockerfilePath", "dockerfile"},
			{"deploy.kustomize", "kustomizePath", "path"},
		}},
		{from: "v1alpha5", pipeline: fromV1alpha5},
		{from: "v1beta4", pipeline: fromV1beta4},
		{from: "v1beta6", pipeline: fromV1beta6, patches: []patchMove{
			{"build/kaniko/pullSecret", "build/cluster/pullSecret"},
			{"build/kaniko/pullSecretName", "build/cluster/pullSecretName"},
			{"build/kaniko/namespace", "build/cluster/namespace"},
			{"build/kaniko/timeout", "build/cluster/timeout"},
			{"build/kaniko/dockerConfig", "build/cluster/dockerConfig"},
		}},
		{from: "v1beta8", pipeline: fromV1beta8},
		{from: "v1beta9", pipeline: fromV1beta9},
		{from: "v1beta13", pipeline: fromV1beta13, patches: []patchMove{
			{"build/artifacts/*/jibMaven/module", "build/artifacts/*/jib/project"},
			{"build/artifacts/*/jibMaven/args", "build/artifacts/*/jib/args"},
			{"build/artifacts/*/jibGradle", "build/artifacts/*/jib"},
		}},
		{from: "v2alpha1", pipeline: fromV2alpha1},
		{from: "v2alpha2", pipeline: fromV2alpha2, patches: []patchMove{{"deploy/kustomize/path", "deploy/kustomize/paths/0"}}},
		{from: "v2beta3", renames: []renaming{{"deploy.helm.releases[]", "values", "artifactOverrides"}}},
		{from: "v2beta4", renames: []renaming{
			{"build.artifacts[]", "buildpack", "buildpacks"},
			{"build.cluster", "pullSecret", "pullSecretPath"},
		}},
		{from: "v2beta8", pipeline: fromV2beta8},
		{from: "v2beta12", pipeline: fromV2beta12},
		{from: "v2beta16", pipeline: fromV2beta16},
		{from: "v2beta22", pipeline: fromV2beta22, renames: []renaming{{"deploy", "-", "docker"}}, patches: []patchMove{
			{"build/artifacts/*/docker/secret", "build/artifacts/*/docker/secrets/0"},
		}},
		{from: "v2beta25", renames: []renaming{
			{"build.artifacts[].-", "args", "flags"},
			{"build.artifacts[]", "-", "ko"},
		}},
		{from: "v2beta27", pipeline: fromV2beta27, patches: []patchMove{{"build/artifacts/*/ko/platforms", "build/artifacts/*/platforms"}}},
		{from: "v2beta29", document: fromV2beta29, patches: []patchMove{
			{"deploy/kubectl/manifests", "manifests/rawYaml"},
			{"deploy/kustomize/paths", "manifests/kustomize/paths"},
			{"deploy/kustomize/buildArgs", "manifests/kustomize/buildArgs"},
		}},
		{from: "v3", pipeline: fromV3, patches: []patchMove{{"deploy/kubectl/remoteManifests/*", "manifests/remoteManifests/*/manifest"}}},
		{from: "v4beta3", pipeline: fromV4beta3},
		{from: "v4beta4", pipeline: fromV4beta4},
		{from: "v4beta7", renames: []renaming{{"deploy.kpt", "false", "force"}}},
	}
}

// migrate takes the document, step by step, to a version; what has that version or a newer one stays.
func (d *document) migrate(to int) {
	if d.version >= to {
		return
	}
	for _, s := range steps() {
		if from := theFormat().order[s.from]; d.version <= from && from < to {
			s.apply(d)
		}
	}
	if v := get(d.root, "apiVersion"); v != nil {
		v.Value = prefix + theFormat().versions[to]
	}
}

// flatten writes nested helm values as the dotted keys that they stand for: patches name those.
func (d *document) flatten() {
	for _, p := range (&upgrade{doc: d}).pipelines() {
		for _, r := range append(find(p.node, "manifests.helm.releases[]"), find(p.node, "deploy.helm.releases[]")...) {
			for _, key := range []string{"setValues", "setValueTemplates"} {
				if v := get(r, key); !isNull(v) && v.Kind == yaml.MappingNode {
					flat := mapping(v)
					flattenInto(flat, "", v)
					set(r, key, flat)
				}
			}
		}
	}
}

func (s step) apply(d *document) {
	done := s.settle(d)
	s.run(d)
	done()
}

func (s step) run(d *document) {
	u := &upgrade{doc: d}
	for _, p := range u.pipelines() {
		for _, r := range s.renames {
			for _, n := range find(p.node, r.at) {
				rename(n, r.from, r.to)
			}
		}
		for _, m := range s.moves() {
			renameInPatches(p.node, m)
		}
		if s.pipeline != nil {
			u.profile = p.profile
			s.pipeline(u, p.node)
		}
	}
	u.profile = ""
	if s.document != nil {
		s.document(u, d.root)
	}
}

// pipelineNode is a mapping that holds build, deploy and so on: the document itself or one of its profiles.
type pipelineNode struct {
	profile string
	node    *yaml.Node
}

func (u *upgrade) pipelines() []pipelineNode {
	all := []pipelineNode{{"", u.doc.root}}
	for _, p := range items(get(u.doc.root, "profiles")) {
		all = append(all, pipelineNode{value(get(p, "name")), p})
	}
	return all
}

// where names the pipeline at work, for messages.
func (u *upgrade) where() string {
	if u.profile == "" {
		return ""
	}
	return fmt.Sprintf(" in profile %q", u.profile)
}

// artifacts is the artifacts of a pipeline.
func artifacts(p *yaml.Node) []*yaml.Node { return find(p, "build.artifacts[]") }
