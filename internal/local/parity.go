package local

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/skiff-dev/skiff/internal/kube"
	"github.com/skiff-dev/skiff/internal/proc"
)

// interpreters are the images whose tag is the version of a program, and how that program is asked for its own.
var interpreters = map[string][]string{
	"python": {"python3", "--version"}, "node": {"node", "--version"}, "ruby": {"ruby", "--version"}, "php": {"php", "--version"},
	"golang": {"go", "version"}, "deno": {"deno", "--version"}, "bun": {"bun", "--version"}, "openjdk": {"java", "-version"},
	"eclipse-temurin": {"java", "-version"}, "amazoncorretto": {"java", "-version"}, "perl": {"perl", "-v"},
}

// versions compares the interpreter of this machine with the base image, and its compiler with that of the stage that compiles, as
// far as a tag names a version.
func (p *planner) versions(d *draft, c *container) {
	bases := []string{c.image.Base}
	for _, made := range c.image.Compiles {
		bases = append(bases, made.Base)
	}
	slices.Sort(bases)
	for _, base := range slices.Compact(bases) {
		name, want := baseVersion(base)
		args, known := interpreters[name]
		if !known || want == "" || p.Host.Version == nil {
			continue
		}
		if has := p.Host.Version(args, p.tools(c)); has != "" && !sameVersion(want, has) {
			p.find(Differs, d, c, "version", "", "%s %s of this machine, not that of the image %s", args[0], has, base)
		}
	}
}

// architecture says which kind of machine the project asks for, if it is not this one.
func (p *planner) architecture(d *draft, c *container) {
	if want := d.pod.NodeSelector["kubernetes.io/arch"]; want != "" && want != p.Host.Arch {
		p.find(Differs, d, c, "arch", "", "runs on %s, not on %s", p.Host.Arch, want)
		return
	}
	own := p.Host.OS + "/" + p.Host.Arch
	if all := c.image.Platforms; len(all) > 0 && !slices.ContainsFunc(all, func(one string) bool { return one == own || strings.HasPrefix(one, own+"/") || one == "all" }) {
		p.find(Differs, d, c, "arch", "", "runs on %s, not on %s", own, strings.Join(all, " or "))
	}
}

// baseVersion is the name of an image and the version that its tag begins with: "python" and "3.7" of "docker.io/python:3.7-slim".
func baseVersion(ref string) (name, version string) {
	repository := kube.Repository(ref)
	tag := strings.TrimPrefix(strings.TrimPrefix(ref, repository), ":")
	tag, _, _ = strings.Cut(tag, "@")
	end := strings.IndexFunc(tag, func(r rune) bool { return r != '.' && (r < '0' || r > '9') })
	if end >= 0 {
		tag = tag[:end]
	}
	return path.Base(repository), strings.Trim(tag, ".")
}

// sameVersion says whether a version is the wanted one, as exactly as that is given. Java 8 calls itself 1.8.
func sameVersion(want, has string) bool {
	return has == want || strings.HasPrefix(has, want+".") || strings.HasPrefix(has, "1.8.") && want == "8"
}

// version asks a program of this machine for its version; "" when there is none.
func version(ctx context.Context, guard *proc.Guard, env []string, args []string) string {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	var text strings.Builder
	err := guard.Run(ctx, proc.Command{Args: args, Dir: "/", Env: env, Grace: 100 * time.Millisecond}, func(l proc.Line) { fmt.Fprintln(&text, l.Text) })
	if err != nil {
		return ""
	}
	for _, word := range strings.FieldsFunc(text.String(), func(r rune) bool { return r != '.' && (r < '0' || r > '9') }) {
		if word = strings.Trim(word, "."); strings.Contains(word, ".") {
			return word
		}
	}
	return ""
}
