package helm

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/cli"
	helmvalues "helm.sh/helm/v4/pkg/cli/values"
	"helm.sh/helm/v4/pkg/getter"

	"github.com/skiff-dev/skiff/internal/diag"
	"github.com/skiff-dev/skiff/internal/render"
)

// values is what the chart is given, in the order in which helm weighs it: files, then overrides, then single values,
// then files as values; of two of a kind the later one wins.
func (r *release) values(f flags, images []render.Image) (map[string]any, error) {
	vars := imageVars(images)
	o, err := r.valueOptions(f, vars)
	if err != nil {
		return nil, err
	}
	files := o.ValueFiles
	o.ValueFiles = nil
	base := map[string]any{}
	for _, file := range files {
		if strings.Contains(file, "://") {
			more, err := (&helmvalues.Options{ValueFiles: []string{file}}).MergeValues(getter.All(cli.New()))
			if err != nil {
				return nil, r.fault("check the address under valuesFiles", "values %s cannot be fetched: %v", file, err)
			}
			base = loader.MergeMaps(base, more)
			continue
		}
		data, err := os.ReadFile(file)
		if err != nil {
			e := r.fault("correct the path under valuesFiles", "values file does not exist")
			e.Pos = diag.Pos{File: file}
			return nil, e
		}
		more, err := loader.LoadValues(strings.NewReader(string(data)))
		if err != nil {
			return nil, brokenValues(file, string(data), err)
		}
		base = loader.MergeMaps(base, more)
	}
	base = loader.MergeMaps(base, plain(r.Overrides).(map[string]any))
	single, err := into(base, o)
	if err != nil {
		return nil, r.fault("a comma in a value is written \\,", "release %s: %v", r.name, err)
	}
	return single, nil
}

// into sets the single values in base, as helm does.
func into(base map[string]any, o *helmvalues.Options) (map[string]any, error) {
	for _, set := range setters(o) {
		if err := set(base); err != nil {
			return nil, err
		}
	}
	return base, nil
}

// valueOptions is the release's values as arguments of helm, templates filled in.
func (r *release) valueOptions(f flags, vars map[string]string) (*helmvalues.Options, error) {
	o := &helmvalues.Options{}
	var faults diag.List
	fill := func(field, text string) string {
		out, err := r.source.options.Templates.Fill(text, vars)
		if err != nil {
			faults = append(faults, r.source.fault(r.at, err.Error(), "correct the template", field))
		}
		return strings.TrimSuffix(out, "@")
	}
	for _, k := range slices.Sorted(maps.Keys(r.SetValues)) {
		o.Values = append(o.Values, k+"="+r.SetValues[k])
	}
	for _, k := range slices.Sorted(maps.Keys(r.SetFiles)) {
		o.FileValues = append(o.FileValues, k+"="+r.path(r.SetFiles[k]))
	}
	for _, k := range slices.Sorted(maps.Keys(r.SetValueTemplates)) {
		o.Values = append(o.Values, fill("setValueTemplates", k)+"="+fill("setValueTemplates", r.SetValueTemplates[k]))
	}
	for _, file := range r.ValuesFiles {
		o.ValueFiles = append(o.ValueFiles, r.path(fill("valuesFiles", file)))
	}
	o.ValueFiles = append(o.ValueFiles, f.paths(r)...)
	o.Values = append(o.Values, f.values.Values...)
	o.StringValues, o.JSONValues, o.LiteralValues = f.values.StringValues, f.values.JSONValues, f.values.LiteralValues
	o.FileValues = append(o.FileValues, f.values.FileValues...)
	return o, faults.Err()
}

// imageVars is what a template may say of the images: each plainly for the first, numbered for the others, and with the
// name of its artifact for all.
func imageVars(images []render.Image) map[string]string {
	vars := map[string]string{}
	name := strings.NewReplacer(".", "_", "-", "_", "/", "_", ":", "_")
	for i, image := range images {
		suffix := ""
		if i > 0 {
			suffix = fmt.Sprint(i + 1)
		}
		for k, v := range partsOf(image) {
			vars[k+suffix] = v
			vars[k+"_"+name.Replace(image.Name)] = v
		}
	}
	return vars
}

func partsOf(image render.Image) map[string]string {
	ref, digest, _ := strings.Cut(image.Ref, "@")
	repo, tag := ref, ""
	if i := strings.LastIndexByte(ref, ':'); i > strings.LastIndexByte(ref, '/') {
		repo, tag = ref[:i], ref[i+1:]
	}
	domain, rest := "", repo
	if first, after, ok := strings.Cut(repo, "/"); ok && (strings.ContainsAny(first, ".:") || first == "localhost") {
		domain, rest = first, after
	}
	algo, hex, _ := strings.Cut(image.Ref, ":")
	return map[string]string{
		"IMAGE_NAME": image.Name, "IMAGE_REPO": repo, "IMAGE_TAG": tag, "IMAGE_DIGEST": digest, "IMAGE_DOMAIN": domain,
		"IMAGE_REPO_NO_DOMAIN": rest, "IMAGE_FULLY_QUALIFIED": image.Ref, "DIGEST": image.Ref, "DIGEST_ALGO": algo, "DIGEST_HEX": hex,
	}
}

// plain makes maps of text keys of what YAML may have decoded otherwise.
func plain(v any) any {
	switch v := v.(type) {
	case nil:
		return map[string]any{}
	case map[string]any:
		m := make(map[string]any, len(v))
		for k, item := range v {
			if item == nil {
				m[k] = nil
				continue
			}
			m[k] = plain(item)
		}
		return m
	case map[any]any:
		m := make(map[string]any, len(v))
		for k, item := range v {
			m[fmt.Sprint(k)] = plain(item)
		}
		return m
	case []any:
		list := make([]any, len(v))
		for i, item := range v {
			list[i] = plain(item)
		}
		return list
	}
	return v
}

func (r *release) fault(hint, format string, args ...any) *diag.Error {
	e := r.source.fault(r.at, fmt.Sprintf(format, args...), hint)
	e.Code = diag.CodeDeploy
	return e
}
