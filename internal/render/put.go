package render

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/skiff-dev/skiff/internal/kube"
)

// Images puts the references that were built into the objects, and says which artifacts are used. An image is meant when
// its name, without a tag, is that of the artifact, letter case and a "ko://" in front apart; one with a digest is kept as it is.
func (r *Rules) Images(objects []*kube.Object, images map[string]string) (used map[string]bool) {
	used = map[string]bool{}
	names := make(map[string]string, len(images))
	for name, ref := range images {
		for _, form := range formsOf(ref) {
			names[form] = name
		}
	}
	for name := range images {
		names[plain(name)] = name
	}
	for _, o := range objects {
		one, ok := r.of(o)
		if !ok || len(one.images) == 0 {
			continue
		}
		walk(o.Object, "", func(path string, m map[string]any) {
			for k, v := range m {
				text, ok := v.(string)
				if !ok || !(k == "image" && has(one.images, anywhere)) && !has(one.images, path+"."+k) {
					continue
				}
				artifact, ok := names[text]
				if !ok {
					artifact, ok = names[imageName(text)]
				}
				if ok {
					m[k] = images[artifact]
					used[artifact] = true
				}
			}
		})
	}
	return used
}

// formsOf is how a template may have put a reference together from its parts: such a text means the image as well.
func formsOf(ref string) []string {
	forms := []string{ref}
	tagged, digest, pinned := strings.Cut(ref, "@")
	if pinned {
		forms = append(forms, tagged)
	}
	if i := strings.LastIndexByte(tagged, ':'); pinned && i > strings.LastIndexByte(tagged, '/') {
		forms = append(forms, tagged[:i]+"@"+digest)
	}
	return forms
}

// plain is an artifact's name as it is compared. Skaffold lower-cases both sides, since no registry takes upper case.
func plain(name string) string {
	return strings.TrimPrefix(strings.ToLower(strings.TrimPrefix(name, "ko://")), "ko://")
}

var tagText = regexp.MustCompile(`^[\w][\w.-]{0,127}$`)

// imageName is the name in a reference without its tag, "" for what is no reference or has a digest.
func imageName(text string) string {
	if strings.Contains(text, "@") {
		return ""
	}
	name := plain(text)
	if i := strings.LastIndexByte(name, ':'); i > strings.LastIndexByte(name, '/') {
		if !tagText.MatchString(name[i+1:]) {
			return ""
		}
		tag := name[i+1:]
		name = name[:i]
		if name == tag+"/"+tag {
			// A chart that joins registry, repository and tag, each of which an old project set to the artifact's name.
			return tag
		}
	}
	return name
}

// Labels puts labels on the objects, and on the templates inside them. Labels that are there keep their value.
func (r *Rules) Labels(objects []*kube.Object, labels map[string]string) {
	if len(labels) == 0 {
		return
	}
	for _, o := range objects {
		one, ok := r.of(o)
		if !ok {
			continue
		}
		walk(o.Object, "", func(path string, m map[string]any) {
			if has(one.labels, anywhere) && strings.HasSuffix(path, ".metadata") && !has(one.notLabels, path+".labels") {
				addLabels(m, "labels", labels)
			}
			for _, p := range one.labels {
				if i := strings.LastIndexByte(p, '.'); p != anywhere && i >= 0 && p[:i] == path {
					addLabels(m, p[i+1:], labels)
				}
			}
		})
	}
}

func addLabels(m map[string]any, key string, labels map[string]string) {
	old, ok := m[key].(map[string]any)
	if !ok {
		if m[key] != nil {
			return
		}
		old = map[string]any{}
		m[key] = old
	}
	for k, v := range labels {
		if _, ok := old[k]; !ok {
			old[k] = v
		}
	}
}

// Namespace puts a namespace on the objects that name none; another one stays, and is warned of.
func (r *Rules) Namespace(objects []*kube.Object, namespace string) (warnings []string) {
	if namespace == "" {
		return nil
	}
	var others []string
	for _, o := range objects {
		if _, ok := r.of(o); !ok {
			continue
		}
		switch ns := o.GetNamespace(); {
		case ns == "":
			o.SetNamespace(namespace)
		case ns != namespace && namespace != "default":
			others = append(others, fmt.Sprintf("%s stays in namespace %s, which its manifest names, and not %s", o.ID(), ns, namespace))
		}
	}
	slices.Sort(others)
	return others
}
