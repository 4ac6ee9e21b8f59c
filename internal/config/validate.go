package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/skiff-dev/skiff/internal/diag"
)

// validator checks the rules that the whole project must keep, and reports every breach at its place.
type validator struct {
	configs []*Config
	command string
	faults  diag.List

	incomplete bool // there is more than these configs, but it could not be read
}

func (v *validator) all() {
	v.images()
	for _, c := range v.configs {
		v.shape(c)
		for i, a := range c.Build.Artifacts {
			v.artifact(c, a, i)
		}
		v.build(c)
		v.tests(c)
		v.ports(c)
		v.releases(c)
		if c.Deploy.Logs.Prefix != "" && !slices.Contains([]string{"auto", "container", "podAndContainer", "none"}, c.Deploy.Logs.Prefix) {
			v.add(c, fmt.Sprintf("log prefix %q is not known", c.Deploy.Logs.Prefix), "write auto, container, podAndContainer or none", "deploy", "logs", "prefix")
		}
		if run := c.Deploy.CloudRun; run != nil && run.Region == "" && slices.Contains([]string{"run", "deploy", "debug", "dev", "delete", "apply"}, v.command) {
			v.add(c, "deploy.cloudrun has no region", `add "region: …"`, "deploy", "cloudrun")
		}
		v.manifests(c)
	}
	v.requires()
	v.actions()
}

func (v *validator) add(c *Config, what, hint string, path ...any) {
	v.faults = append(v.faults, c.Fault(what, hint, path...))
}

// images checks the names of all artifacts: each once, and without a tag.
func (v *validator) images() {
	first := map[string]*diag.Error{}
	for _, c := range v.configs {
		for i, a := range c.Build.Artifacts {
			path := []any{"build", "artifacts", i, "image"}
			if a.Image == "" {
				continue // reported as missing
			}
			if problem, hint := imageName(a.Image); problem != "" {
				v.add(c, fmt.Sprintf("image %q %s", a.Image, problem), hint, path...)
			}
			here := c.Fault("", "", path...)
			if other := first[a.Image]; other != nil {
				v.add(c, fmt.Sprintf("image %q is built twice: first at %s", a.Image, other.Pos), "give one of the two another name", path...)
				continue
			}
			first[a.Image] = here
		}
	}
}

// imageName is what is wrong with the name of an artifact, "" when nothing is.
func imageName(image string) (problem, hint string) {
	name := strings.ToLower(strings.TrimPrefix(image, "ko://"))
	if before, _, ok := strings.Cut(name, "@"); ok {
		return "has a digest", fmt.Sprintf("write %q; skiff adds tag and digest", before)
	}
	slash := strings.LastIndexByte(name, '/')
	if colon := strings.LastIndexByte(name, ':'); colon > slash {
		return "has a tag", fmt.Sprintf("write %q and set the tag with build.tagPolicy", name[:colon])
	}
	host, rest, more := strings.Cut(name, "/")
	if more && (strings.ContainsAny(host, ".:") || host == "localhost") {
		if !regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*(:[0-9]+)?$`).MatchString(host) {
			return fmt.Sprintf("does not name a registry: %q", host), "write host/name or host:port/name"
		}
		name = rest
	}
	// The grammar of image references: runs of letters and digits, parted by ".", "_", "__" or dashes.
	if !regexp.MustCompile(`^[a-z0-9]+((\.|__?|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|__?|-+)[a-z0-9]+)*)*$`).MatchString(name) {
		return "is not an image name", "use lower-case letters and digits, parted by one of . _ - or /"
	}
	return "", ""
}

// build checks the builder against what it has to build.
func (v *validator) build(c *Config) {
	b := &c.Build
	if b.Local != nil && b.Local.TryImportMissing && b.TagPolicy.Sha256 != nil {
		v.add(c, "tryImportMissing cannot work with the sha256 tag policy: every build has the tag latest", "choose another tagPolicy, or remove tryImportMissing", "build", "local", "tryImportMissing")
	}
	if g := b.GoogleCloudBuild; g != nil && g.WorkerPool != "" && !isWorkerPool(g.WorkerPool) {
		v.add(c, fmt.Sprintf("%q names no worker pool", g.WorkerPool), "write projects/PROJECT/locations/REGION/workerPools/NAME", "build", "googleCloudBuild", "workerPool")
	}
}

func isWorkerPool(s string) bool {
	return regexp.MustCompile(`projects/.+/locations/.+/workerPools/.+`).MatchString(s)
}

func (v *validator) tests(c *Config) {
	for i, t := range c.Test {
		for j, custom := range t.Custom {
			d := custom.Dependencies
			if d == nil {
				continue
			}
			if len(d.Ignore) > 0 && len(d.Paths) == 0 {
				v.add(c, `"ignore" of a custom test works only with "paths"`, `add "paths", or remove "ignore"`, "test", i, "custom", j, "dependencies", "ignore")
			}
		}
	}
}

func (v *validator) ports(c *Config) {
	kinds := []string{"container", "pod", "deployment", "service", "replicaset", "replicationcontroller", "statefulset", "daemonset", "cronjob", "job"}
	for i, p := range c.PortForward {
		kind := strings.ToLower(p.ResourceType)
		if slices.Contains(kinds, kind) {
			continue
		}
		what := fmt.Sprintf("resourceType %q cannot be forwarded", p.ResourceType)
		if kind == "" {
			what = "portForward needs a resourceType"
		}
		hint := "write one of: " + strings.Join(kinds, ", ")
		if best := diag.Nearest(kind, kinds); best != "" && kind != "" {
			hint = fmt.Sprintf("did you mean %q?", best)
		}
		v.add(c, what, hint, "portForward", i, "resourceType")
	}
}

// actions checks names that must be unique over the whole project, and that verify has something to do.
func (v *validator) actions() {
	if v.command == "verify" && len(v.configs) > 0 && !slices.ContainsFunc(v.configs, func(c *Config) bool { return len(c.Verify) > 0 }) {
		v.add(v.configs[0], "the project has no verify tests", `describe them below "verify"; skiff explain verify shows how`)
	}
	seen := map[string]bool{}
	once := func(c *Config, kind, name string, path ...any) {
		if name != "" && seen[kind+name] {
			v.add(c, fmt.Sprintf("%s %q is defined twice", kind, name), "give one of the two another name", path...)
		}
		seen[kind+name] = true
	}
	for _, c := range v.configs {
		for i, t := range c.Verify {
			once(c, "verify test", t.Name, "verify", i, "name")
			once(c, "verify container", t.Container.Name, "verify", i, "container", "name")
		}
		for i, a := range c.CustomActions {
			once(c, "custom action", a.Name, "customActions", i, "name")
			if a.ExecutionMode.Local != nil && a.ExecutionMode.KubernetesCluster != nil {
				v.add(c, fmt.Sprintf("custom action %q has two execution modes", a.Name), "keep local or kubernetesCluster", "customActions", i, "executionMode")
			}
			for j, container := range a.Containers {
				once(c, "container", container.Name, "customActions", i, "containers", j, "name")
			}
		}
	}
}
