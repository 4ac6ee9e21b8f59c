package kustomize

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
)

var (
	nested  = regexp.MustCompile(`accumulation err='(.*?)': (?:must build at directory|evalsymlink failure|not a valid directory|file is not directory|.*? is a file)`)
	noFile  = regexp.MustCompile(`open (\S+): no such file or directory`)
	noPath  = regexp.MustCompile(`(?:lstat|evalsymlink failure on '[^']*' : lstat) (\S+): no such file or directory`)
	outside = regexp.MustCompile(`file '([^']+)' is not in or below '([^']+)'`)
	inFile  = regexp.MustCompile(`accumulating resources from '([^']+)'`)
)

// explain says in one line what is wrong with a kustomization. The library wraps a cause once per level and once per way
// in which it tried to read a path; what a user needs is the innermost.
func (b *build) explain(err error) error {
	text := err.Error()
	program := "helm"
	if c := b.options.PluginConfig.HelmConfig.Command; c != "" {
		program = c
	}
	switch {
	case strings.Contains(text, "must specify --enable-helm"):
		return b.fault(`add "--enable-helm" to manifests.kustomize.buildArgs, or list the chart under manifests.helm`, "helm charts in a kustomization are not inflated unless asked for")
	case strings.Contains(text, "executable file not found") && strings.Contains(text, "git") || strings.Contains(text, "no 'git' program on path"):
		return b.fault("install git, or copy the base into the project", "a remote base needs git, which is not in PATH")
	case b.options.PluginConfig.HelmConfig.Enabled && missing(program) && strings.Contains(text, program):
		return b.fault("install helm, or list the chart under manifests.helm, which needs no program", "--enable-helm needs the program %q, which is not in PATH", program)
	case outside.MatchString(text):
		m := outside.FindStringSubmatch(text)
		return b.fault(`move it, or add "--load-restrictor=LoadRestrictionsNone" to manifests.kustomize.buildArgs`, "%s is outside of the kustomization %s", b.rel(m[1]), b.rel(m[2]))
	case strings.Contains(text, "unable to find one of"):
		return b.fault("write one, or correct manifests.kustomize.paths", "there is no kustomization.yaml in %s", b.rel(b.lastDir(text)))
	}
	if m := noFile.FindStringSubmatch(text); m != nil {
		return b.fault("correct the path, or write the file", "%s does not exist", b.rel(m[1]))
	}
	if m := noPath.FindStringSubmatch(text); m != nil {
		return b.fault("correct the path, or write the file", "%s does not exist", b.rel(m[1]))
	}
	if m := nested.FindStringSubmatch(text); m != nil {
		text = m[1]
	}
	where := ""
	if all := inFile.FindAllStringSubmatch(text, -1); len(all) > 0 {
		where = all[len(all)-1][1] + ": "
	}
	text = strings.TrimPrefix(inFile.ReplaceAllString(text, ""), "accumulating resources: ")
	text = strings.Join(strings.Fields(strings.TrimLeft(text, ": ")), " ")
	return b.fault("correct the kustomization", "%s", fmt.Sprintf("%s%s", where, text))
}

var atDir = regexp.MustCompile(`in directory '([^']+)'`)

func (b *build) lastDir(text string) string {
	if all := atDir.FindAllStringSubmatch(text, -1); len(all) > 0 {
		return all[len(all)-1][1]
	}
	return b.path
}

// rel is a path as seen from the kustomization, where that is shorter.
func (b *build) rel(path string) string {
	if rel, err := filepath.Rel(b.path, path); err == nil && len(rel) < len(path) && !strings.HasPrefix(rel, "../../..") && rel != "." {
		return filepath.ToSlash(rel)
	}
	return path
}
