package config

import (
	"fmt"

	"go.yaml.in/yaml/v3"
)

// fromV2beta29 is the way from 1.x to 2.x: what is rendered leaves "deploy" and becomes "manifests".
func fromV2beta29(u *upgrade, _ *yaml.Node) {
	overrides := helmOverrides(u)
	for _, p := range u.pipelines() {
		u.profile = p.profile
		deploy := one(p.node, "deploy")
		if deploy == nil {
			continue
		}
		manifests := get(p.node, "manifests")
		if isNull(manifests) {
			manifests = mapping(deploy)
		}
		splitKubectl(deploy, manifests)
		u.splitKustomize(deploy, manifests)
		if kpt := keyNode(deploy, "kpt"); kpt != nil && !isNull(get(deploy, "kpt")) {
			u.doc.fault(kpt, "deploy.kpt"+u.where()+" of a file before skaffold/v3alpha1 cannot be converted", `write its packages below "manifests.kpt" and set "apiVersion: `+Latest()+`"`)
			cut(deploy, "kpt")
		}
		splitHelm(deploy, manifests)
		if len(manifests.Content) > 0 {
			set(p.node, "manifests", manifests)
		}
	}
	u.profile = ""
	for _, p := range items(get(u.doc.root, "profiles")) {
		patchesFromV2beta29(p, overrides)
	}
}

func splitKubectl(deploy, manifests *yaml.Node) {
	kubectl := one(deploy, "kubectl")
	if m := cut(kubectl, "manifests"); !isNull(m) {
		set(manifests, "rawYaml", m)
	}
}

// splitKustomize moves what is rendered to the manifests, and how it is applied to the kubectl deployer.
func (u *upgrade) splitKustomize(deploy, manifests *yaml.Node) {
	at := keyNode(deploy, "kustomize")
	old := cut(deploy, "kustomize")
	if isNull(old) {
		return
	}
	paths := cut(old, "paths")
	if len(items(paths)) == 0 {
		paths = list(at, text(".", at))
	}
	rendered := mapping(at)
	set(rendered, "paths", paths)
	if args := cut(old, "buildArgs"); args != nil {
		set(rendered, "buildArgs", args)
	}
	set(manifests, "kustomize", rendered)
	kubectl := get(deploy, "kubectl")
	if isNull(kubectl) {
		set(deploy, "kubectl", old)
		return
	}
	u.mergeKustomize(kubectl, old)
}

func (u *upgrade) mergeKustomize(kubectl, kustomize *yaml.Node) {
	mine, theirs := get(kubectl, "defaultNamespace"), get(kustomize, "defaultNamespace")
	if !isNull(theirs) {
		if !isNull(mine) && mine.Value != theirs.Value {
			u.doc.fault(theirs, fmt.Sprintf("deploy.kustomize.defaultNamespace%s is %q, but deploy.kubectl has %q, and later versions have one for both", u.where(), theirs.Value, mine.Value), "write the same namespace in both")
		}
		set(kubectl, "defaultNamespace", theirs)
	}
	if a, b := one(kubectl, "flags.disableValidation"), one(kustomize, "flags.disableValidation"); isTrue(a) != isTrue(b) {
		at := b
		if at == nil {
			at = a
		}
		u.doc.fault(at, "deploy.kubectl and deploy.kustomize"+u.where()+" differ in flags.disableValidation, and later versions have one for both", "write the same value in both")
	}
	appendLists(kubectl, kustomize, "flags", "global", "apply", "delete")
	appendLists(kubectl, kustomize, "hooks", "before", "after")
}

// appendLists adds the lists of a block of one deployer to those of another.
func appendLists(to, from *yaml.Node, block string, keys ...string) {
	source := one(from, block)
	for _, key := range keys {
		more := get(source, key)
		if len(items(more)) == 0 {
			continue
		}
		target := child(to, block, source)
		set(target, key, list(more, append(append([]*yaml.Node(nil), items(get(target, key))...), more.Content...)...))
	}
}

// splitHelm writes the releases twice: what is rendered and what is installed are read from different places.
func splitHelm(deploy, manifests *yaml.Node) {
	helm := one(deploy, "helm")
	if helm == nil {
		return
	}
	for _, r := range find(helm, "releases[]") {
		overridesToTemplates(r)
	}
	rendered := mapping(helm)
	for _, key := range []string{"releases", "flags"} {
		if v := get(helm, key); v != nil {
			set(rendered, key, clone(v))
		}
	}
	set(manifests, "helm", rendered)
}
