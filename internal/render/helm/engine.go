package helm

import (
	"context"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	v2 "helm.sh/helm/v4/pkg/chart/v2"
	chartutil "helm.sh/helm/v4/pkg/chart/v2/util"
	"helm.sh/helm/v4/pkg/engine"
	release1 "helm.sh/helm/v4/pkg/release/v1"
	releaseutil "helm.sh/helm/v4/pkg/release/v1/util"
	"sigs.k8s.io/yaml"

	"github.com/skiff-dev/skiff/internal/diag"
	"github.com/skiff-dev/skiff/internal/kube"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// render is what "helm template" would print, as objects: manifests in the order in which helm installs them, and then hooks.
func (r *release) render(ctx context.Context, p Prepared, a Action) ([]*kube.Object, []string, error) {
	files, c, err := r.execute(ctx, p, a)
	if err != nil {
		return nil, nil, err
	}
	if a.Settings.IncludeCRDs {
		for _, crd := range c.CRDObjects() {
			files[crd.Filename] = string(crd.File.Data)
		}
	}
	var objects, hooks []*kube.Object
	var warnings []string
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if base := path.Base(name); strings.HasPrefix(base, "_") || strings.HasSuffix(name, "NOTES.txt") || strings.TrimSpace(files[name]) == "" {
			continue
		}
		all, warned, err := r.read(name, files[name])
		if err != nil {
			return nil, nil, err
		}
		warnings = append(warnings, warned...)
		for _, o := range all {
			switch kinds := hookKinds(o); {
			case kinds == nil:
				objects = append(objects, o)
			case a.Settings.NoHooks || (r.SkipTests || a.Settings.SkipTests) && slices.Contains(kinds, "test"):
			default:
				hooks = append(hooks, o)
			}
		}
	}
	sortByKind(objects)
	sortByKind(hooks)
	return append(objects, hooks...), warnings, nil
}

// execute runs the chart's templates.
func (r *release) execute(ctx context.Context, p Prepared, a Action) (map[string]string, *v2.Chart, error) {
	c, err := p.Chart()
	if err != nil {
		return nil, nil, err
	}
	values := cloneMap(a.Values)
	if err := chartutil.ProcessDependencies(c, values); err != nil {
		return nil, nil, err
	}
	caps := common.DefaultCapabilities.Copy()
	if v := a.Settings.KubeVersion; v != "" {
		parsed, err := common.ParseKubeVersion(v)
		if err != nil {
			return nil, nil, fmt.Errorf("flag --kube-version of helm: %w", err)
		}
		caps.KubeVersion = *parsed
	}
	caps.APIVersions = append(caps.APIVersions, a.Settings.APIVersions...)
	if k := c.Metadata.KubeVersion; k != "" && !chartutil.IsCompatibleRange(k, caps.KubeVersion.String()) {
		return nil, nil, diag.Errorf("take another version of the chart, or say --kube-version in the flags for helm template", "chart %s needs Kubernetes %s, and is rendered for %s", c.Name(), k, caps.KubeVersion.Version)
	}
	o := common.ReleaseOptions{Name: p.Name, Namespace: p.Namespace, Revision: 1, IsInstall: !a.Settings.Upgrade, IsUpgrade: a.Settings.Upgrade}
	top, err := util.ToRenderValuesWithSchemaValidation(c, values, o, caps, a.Settings.SkipSchemaValidation)
	if err != nil {
		return nil, nil, err
	}
	files, err := engine.Engine{EnableDNS: a.Settings.EnableDNS}.RenderWithContext(ctx, c, top)
	return files, c, err
}

// read makes objects of what a template made. Charts are less strict than people: a key that is given twice is common, and
// helm takes the last.
func (r *release) read(name, text string) ([]*kube.Object, []string, error) {
	file := r.file(name)
	objects, err := kube.ReadObjects(file, []byte(text))
	if err == nil {
		for _, o := range objects {
			o.Line = 0 // of the result, which nobody sees
		}
		return objects, nil, nil
	}
	var warnings []string
	docs := releaseutil.SplitManifests(text)
	keys := slices.Collect(maps.Keys(docs))
	slices.SortFunc(keys, func(a, b string) int {
		if releaseutil.BySplitManifestsOrder([]string{a, b}).Less(0, 1) {
			return -1
		}
		return 1
	})
	for _, key := range keys {
		one, err := kube.ReadObjects(file, []byte(docs[key]))
		if err != nil {
			var m map[string]any
			if yaml.Unmarshal([]byte(docs[key]), &m) != nil || m["kind"] == nil || !strings.Contains(err.Error(), "given twice") {
				return nil, nil, broken(file, docs[key], err)
			}
			warnings = append(warnings, fmt.Sprintf("%s: %s; the last counts", file, diag.All(err)[0].What))
			one = []*kube.Object{{Unstructured: unstructured.Unstructured{Object: integers(m).(map[string]any)}, File: file}}
		}
		for _, o := range one {
			o.Line = 0
		}
		objects = append(objects, one...)
	}
	return objects, warnings, nil
}

// integers makes whole numbers of what JSON knows as floating ones, as objects have them.
func integers(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k, item := range v {
			v[k] = integers(item)
		}
	case []any:
		for i, item := range v {
			v[i] = integers(item)
		}
	case float64:
		if v == float64(int64(v)) {
			return int64(v)
		}
	}
	return v
}

// hookKinds is when helm would run an object; nil for what is simply installed.
func hookKinds(o *kube.Object) []string {
	text, ok := o.GetAnnotations()[release1.HookAnnotation]
	if !ok {
		return nil
	}
	kinds := []string{}
	for _, k := range strings.Split(text, ",") {
		k = strings.ToLower(strings.TrimSpace(k))
		if k == "test-success" {
			k = "test"
		}
		kinds = append(kinds, k)
	}
	return kinds
}

// sortByKind is helm's order; kinds that it does not know come last, by name.
func sortByKind(objects []*kube.Object) {
	order := map[string]int{}
	for i, kind := range releaseutil.InstallOrder {
		order[kind] = i
	}
	slices.SortStableFunc(objects, func(a, b *kube.Object) int {
		i, known := order[a.GetKind()]
		j, other := order[b.GetKind()]
		switch {
		case known && other:
			return i - j
		case known:
			return -1
		case other:
			return 1
		}
		return strings.Compare(a.GetKind(), b.GetKind())
	})
}
