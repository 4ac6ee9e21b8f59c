package config

import (
	"fmt"
	"reflect"
	"strings"
)

// shape is what a block must have and what it may have only one of, by the name of its Go type.
type shape struct {
	required []string
	oneOf    []string
}

func shapes() map[string]shape {
	return map[string]shape{
		"Config":               {required: []string{"apiVersion", "kind"}},
		"Requirement":          {oneOf: []string{"path", "git", "googleCloudStorage", "googleCloudBuildRepoV2"}},
		"GitSource":            {required: []string{"repo"}},
		"CloudBuildSource":     {required: []string{"projectID", "region", "connection", "repo"}},
		"ActiveProfile":        {required: []string{"name"}},
		"BuildConfig":          {oneOf: []string{"local", "googleCloudBuild", "cluster"}},
		"TagPolicy":            {oneOf: []string{"gitCommit", "sha256", "envTemplate", "dateTime", "customTemplate", "inputDigest"}},
		"Artifact":             {required: []string{"image"}, oneOf: []string{"docker", "bazel", "ko", "jib", "kaniko", "buildpacks", "custom"}},
		"HostHook":             {required: []string{"command"}}, // of a RenderHostHook too, which embeds it
		"ContainerHook":        {required: []string{"command"}},
		"PodHook":              {required: []string{"command", "podName"}},
		"Sync":                 {oneOf: []string{"manual", "infer", "auto"}},
		"SyncRule":             {required: []string{"src", "dest"}},
		"SyncHook":             {oneOf: []string{"host", "container"}},
		"DeployHook":           {oneOf: []string{"host", "container"}},
		"DockerSecret":         {required: []string{"id"}, oneOf: []string{"src", "env"}},
		"BazelArtifact":        {required: []string{"target"}},
		"BazelPlatform":        {required: []string{"platform", "target"}},
		"BuildpacksVolume":     {required: []string{"host", "target"}},
		"CustomDependencies":   {oneOf: []string{"dockerfile", "command", "paths"}},
		"TestDependencies":     {oneOf: []string{"command", "paths"}},
		"ArtifactRequirement":  {required: []string{"image"}},
		"EnvTemplateTagger":    {required: []string{"template"}},
		"CustomTemplateTagger": {required: []string{"template"}},
		"EmulatorInstallStep":  {required: []string{"image"}},
		"TestCase":             {required: []string{"image"}},
		"CustomTest":           {required: []string{"command"}},
		"HelmRender":           {required: []string{"releases"}},
		"HelmRelease":          {required: []string{"name"}, oneOf: []string{"chartPath", "remoteChart"}},
		"Transformer":          {required: []string{"name"}},
		"Validator":            {required: []string{"name"}},
		"DockerDeploy":         {required: []string{"images"}},
		"ResourceFilter":       {required: []string{"groupKind"}},
		"VerifyTest":           {required: []string{"name", "container"}},
		"VerifyContainer":      {required: []string{"name", "image"}},
		"EnvVar":               {required: []string{"name"}},
		"CustomAction":         {required: []string{"name", "containers"}},
	}
}

// shape checks every block of a config against what its type must have. Profiles are not looked at: only what is
// active counts.
func (v *validator) shape(c *Config) {
	s := shaper{validator: v, config: c, shapes: shapes()}
	s.block(reflect.ValueOf(c).Elem(), nil)
}

type shaper struct {
	*validator
	config *Config
	shapes map[string]shape
}

// block checks a struct and all that it holds.
func (s *shaper) block(b reflect.Value, path []any) {
	rule := s.shapes[b.Type().Name()]
	present := map[string]bool{}
	for i := range b.NumField() {
		f := b.Type().Field(i)
		key, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if key == "-" || key == "profiles" || !f.IsExported() {
			continue
		}
		if f.Anonymous {
			s.block(b.Field(i), path)
			continue
		}
		present[key] = !isEmpty(b.Field(i))
		if present[key] {
			s.values(b.Field(i), append(path[:len(path):len(path)], key))
		}
	}
	s.required(rule, present, path)
	s.exclusive(rule, present, path)
}

// isEmpty is how Skaffold sees a value that is not there: null, "", 0, or a list without members.
func isEmpty(v reflect.Value) bool {
	if v.Kind() == reflect.Slice || v.Kind() == reflect.Map {
		return v.Len() == 0
	}
	return v.IsZero()
}

func (s *shaper) values(v reflect.Value, path []any) {
	switch v.Kind() {
	case reflect.Pointer:
		s.values(v.Elem(), path)
	case reflect.Slice:
		for i := range v.Len() {
			s.values(v.Index(i), append(path[:len(path):len(path)], i))
		}
	case reflect.Struct:
		s.block(v, path)
	}
}

func (s *shaper) required(rule shape, present map[string]bool, path []any) {
	if _, n := s.config.doc.lookup(path...); n != nil && s.config.doc.broken[n] {
		return // a member was faulty and is reported as that
	}
	for _, key := range rule.required {
		if present[key] {
			continue
		}
		hint := fmt.Sprintf("add %q", key+": …")
		if key == "kind" {
			hint = `add "kind: Config"`
		}
		if len(path) == 0 {
			s.add(s.config, key+" is missing", hint)
			continue
		}
		s.add(s.config, fmt.Sprintf("%s has no %s", pathText(path), key), hint, append(path[:len(path):len(path)], key)...)
	}
}

func (s *shaper) exclusive(rule shape, present map[string]bool, path []any) {
	var set []string
	for _, key := range rule.oneOf {
		if present[key] {
			set = append(set, key)
		}
	}
	if len(set) < 2 {
		return
	}
	at := append(path[:len(path):len(path)], set[1])
	if _, written := s.config.doc.lookup(append(path[:len(path):len(path)], "kaniko")...); len(path) == 3 && path[1] == "artifacts" && written == nil && present["kaniko"] {
		s.add(s.config, fmt.Sprintf("%s is built by %s, but build.cluster builds with kaniko", pathText(path), set[0]), `write its settings below "kaniko", or build with "local"`, append(path[:len(path):len(path)], set[0])...)
		return
	}
	s.add(s.config, fmt.Sprintf("%s can have only one of %s", pathText(path), strings.Join(set, " and ")), "keep one of them", at...)
}

func pathText(path []any) string {
	text := ""
	for _, step := range path {
		switch s := step.(type) {
		case int:
			text += fmt.Sprintf("[%d]", s)
		case string:
			text = join(text, s)
		}
	}
	return text
}
