package config

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.yaml.in/yaml/v3"
)

// facts is the folder with what is known about the format: SKIFF_SCHEMA, or a folder shared/schema beside this module.
func facts(t testing.TB) string {
	t.Helper()
	if dir := os.Getenv("SKIFF_SCHEMA"); dir != "" {
		return dir
	}
	if root := findCorpus(t); root != "" {
		dir := filepath.Join(root, "..", "schema")
		if _, err := os.Stat(filepath.Join(dir, "fields", "ranges.tsv")); err == nil {
			return dir
		}
	}
	t.Skip("no tables of the format here; set SKIFF_SCHEMA to a folder that has them")
	return ""
}

// fact is a field in the versions that have it with one type.
type fact struct {
	path, kind  string
	first, last int
}

func fieldFacts(t *testing.T) []fact {
	t.Helper()
	var all []fact
	for _, row := range table(t, filepath.Join(facts(t), "fields", "ranges.tsv")) {
		first, last, span := strings.Cut(row[2], "..")
		if !span {
			last = first
		}
		all = append(all, fact{row[0], row[1], theFormat().order[first], theFormat().order[last]})
	}
	return all
}

// table is the rows of a file of tab-separated values, without its heading.
func table(t *testing.T, name string) [][]string {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var rows [][]string
	for line := range strings.Lines(string(data)) {
		rows = append(rows, append(strings.Split(strings.TrimRight(line, "\n"), "\t"), "", "", ""))
	}
	return rows[1:]
}

// isLeaf tells whether a field holds values and not other fields.
func (f fact) isLeaf() bool { return f.kind != "object" && f.kind != "list<object>" }

// example is a value of the field's type.
func (f fact) example() any {
	switch f.kind {
	case "bool", "bool?":
		return true
	case "int", "int?", "int|string":
		return 7
	case "list<string>":
		return []any{"zz"}
	case "list<byte>":
		return []any{7}
	case "struct{}", "object", "object (recursive)":
		return map[string]any{}
	case "list<object>":
		return []any{map[string]any{}}
	case "k8s Container":
		return map[string]any{"name": "zz"}
	case "list<k8s Volume>", "list<k8s VolumeMount>", "list<k8s EnvVar>":
		return []any{map[string]any{"name": "zz"}}
	case "list<k8s Toleration>":
		return []any{map[string]any{"key": "zz"}}
	case "yamlpatch.Patch":
		return []any{map[string]any{"path": "/kind", "value": "zz"}}
	case "string", "string?", "any":
		return "zz"
	}
	return map[string]any{"k1": "zz"} // the maps
}

// document is a file of a version that holds nothing but the field.
func (f fact) document(version int) string {
	return documentOf(version, strings.TrimSuffix(f.path, "[]"), f.example())
}

// documentOf is a file of a version that holds nothing but a value at a path.
func documentOf(version int, path string, value any) string {
	for _, step := range slices.Backward(strings.Split(path, ".")) {
		key, list := strings.CutSuffix(step, "[]")
		if list {
			value = []any{value}
		}
		value = map[string]any{key: value}
	}
	root := value.(map[string]any)
	if profiles, ok := root["profiles"].([]any); ok && profiles[0].(map[string]any)["name"] == nil {
		profiles[0].(map[string]any)["name"] = "pp"
	}
	root["apiVersion"], root["kind"] = prefix+theFormat().versions[version], "Config"
	text, err := yaml.Marshal(root)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// leaves is every value of a tree with its path, as "a.b[].c=value".
func leaves(n *yaml.Node, path string) []string {
	var all []string
	switch {
	case n.Kind == yaml.MappingNode && len(n.Content) > 0:
		for i := 0; i+1 < len(n.Content); i += 2 {
			if at := join(path, n.Content[i].Value); at != "apiVersion" && at != "kind" && (at != "profiles[].name" || n.Content[i+1].Value != "pp") {
				all = append(all, leaves(n.Content[i+1], at)...)
			}
		}
	case n.Kind == yaml.SequenceNode:
		var texts []string
		for _, m := range n.Content {
			if m.Kind == yaml.ScalarNode {
				texts = append(texts, m.Value)
			} else {
				all = append(all, leaves(m, path+"[]")...)
			}
		}
		if len(texts) > 0 {
			all = append(all, path+"[]="+strings.Join(texts, ","))
		}
	case n.Kind == yaml.ScalarNode:
		all = append(all, path+"="+n.Value)
	case path != "":
		all = append(all, path+"={}")
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// observed is what Skaffold makes of single fields in one step, by "version path", where it is no plain copy.
type observed map[string][]string

const refused = "refused"

func observations(t *testing.T) observed {
	t.Helper()
	o := observed{}
	for _, row := range table(t, filepath.Join(facts(t), "oracle-upgrade.tsv")) {
		key := row[0] + " " + row[2]
		switch {
		case row[3] == "LOST":
			o[key] = []string{}
		case row[3] == "FAILED" && !strings.Contains(row[2], "volumeMounts"): // both spellings of its keys work here
			o[key] = []string{refused}
		case row[3] == "CHANGED":
			o[key] = strings.Split(row[4], "; ")
		}
	}
	// Not among the observed ones: hidden keys, and what has no place later.
	for _, at := range []string{"", "profiles[]."} {
		o["v1beta8 "+at+"build.artifacts[].plugin.contents[]"] = []string{}
		for _, f := range []string{"dir=zz", "env[]=zz", "fromImage=zz", "labels.k1=zz", "ldflags[]=zz", "main=zz", "platforms[]=zz", "dependencies.paths[]=zz", "dependencies.ignore[]=zz"} {
			path, _, _ := strings.Cut(strings.TrimSuffix(f, ".k1=zz"), "=")
			o["v2beta25 "+at+"build.artifacts[].-."+path] = []string{at + "build.artifacts[].ko." + f}
		}
		o["v2beta25 "+at+"build.artifacts[].-.args[]"] = []string{at + "build.artifacts[].ko.flags[]=zz"}
		o["v2beta22 "+at+"deploy.-.images[]"] = []string{at + "deploy.docker.images[]=zz"}
		o["v2beta22 "+at+"deploy.-.useCompose"] = []string{at + "deploy.docker.useCompose=true"}
	}
	// Where Skaffold loses something by accident, and skiff does not.
	o["v1alpha2 profiles[].build.kaniko.gcsBucket"] = []string{"profiles[].build.kaniko.buildContext.gcsBucket=zz"}
	for _, version := range []string{"v1beta7", "v1beta8"} {
		delete(o, version+" build.artifacts[].bazel.target")
		delete(o, version+" profiles[].build.artifacts[].bazel.target")
	}
	return o
}

// after is what a value at a path must be one version on.
func (o observed) after(version int, leaf string) []string {
	path, value, _ := strings.Cut(leaf, "=")
	name := theFormat().versions[version]
	for field := path; field != ""; field = parentOf(field) { // a map is observed as a whole
		if want, ok := o[name+" "+field]; ok {
			return want
		}
	}
	if name == "v1beta4" && path == "profiles[].patches" {
		return []string{"profiles[].patches[]=" + value}
	}
	return []string{leaf}
}

func parentOf(path string) string {
	i := strings.LastIndexByte(path, '.')
	return path[:max(i, 0)]
}

// TestEveryFieldOfEveryVersionIsUpgradedAsObserved writes every field of every version alone into a file and takes it
// one version on: it must be read, and become what Skaffold was seen to make of it.
func TestEveryFieldOfEveryVersionIsUpgradedAsObserved(t *testing.T) {
	o, count := observations(t), 0
	for _, f := range fieldFacts(t) {
		for version := f.first; version <= f.last && version < theFormat().latest() && f.isLeaf() && f.path != "apiVersion" && f.path != "kind"; version++ {
			count++
			d := single(t, f.document(version))
			if d == nil {
				continue
			}
			want := []string{}
			for _, leaf := range leaves(d.root, "") {
				want = append(want, o.after(version, leaf)...)
			}
			got := stepped(d, version+1)
			want = withoutTraces(want)
			slices.Sort(want)
			if diff := cmp.Diff(slices.Compact(want), got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("%s in %s (-want +got):\n%s", f.path, theFormat().versions[version], diff)
			}
		}
	}
	t.Logf("%d fields of versions", count)
}

// single is the document of a text, which its version must accept.
func single(t *testing.T, text string) *document {
	t.Helper()
	docs, faults := parse(input{"skaffold.yaml", "/skaffold.yaml", []byte(text)})
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	d := docs[0]
	(&loader{format: theFormat()}).identify(d)
	(&checker{doc: d, format: theFormat(), version: d.version}).checkRoot()
	if len(d.faults) > 0 {
		t.Errorf("%s\nis refused: %v", text, d.faults)
		return nil
	}
	return d
}

// stepped is the values of a document at a later version.
func stepped(d *document, to int) []string {
	d.migrate(to)
	if len(d.faults) > 0 {
		return []string{refused}
	}
	(&checker{doc: &document{source: d.source, root: d.root}, format: theFormat(), version: to}).checkRoot()
	return withoutTraces(leaves(d.root, ""))
}

// withoutTraces drops what is there only because a block around the field is: Skaffold writes empty blocks as nothing.
func withoutTraces(all []string) []string {
	return slices.DeleteFunc(all, func(leaf string) bool {
		path, value, _ := strings.Cut(leaf, "=")
		return strings.HasSuffix(path, "local.useBuildkit") && value == "false" || value == "{}" && !isChoice(path)
	})
}

// isChoice tells whether a block counts although it is empty.
func isChoice(path string) bool {
	return slices.Contains([]string{"sha256", "gitCommit", "inputDigest", "localDir", "local"}, last(path))
}

// TestEveryFieldReachesTheLatestVersion loads every field as it is in the first and the last version that has it: what is
// observed of the single steps, one after the other, must be what stands in the Config at the end.
func TestEveryFieldReachesTheLatestVersion(t *testing.T) {
	o, count := observations(t), 0
	for _, f := range fieldFacts(t) {
		if !f.isLeaf() || f.path == "apiVersion" || f.path == "kind" {
			continue
		}
		for _, version := range slices.Compact([]int{f.first, f.last}) {
			count++
			d := single(t, f.document(version))
			if d == nil {
				continue
			}
			want := leaves(d.root, "")
			for at := version; at < theFormat().latest() && !slices.Contains(want, refused); at++ {
				var next []string
				for _, leaf := range want {
					next = append(next, o.after(at, leaf)...)
				}
				want = next
				if len(want) == 0 && strings.Contains(f.path, "deploy.kpt") {
					want = []string{refused} // the key is lost, its block is not
				}
			}
			d.migrate(theFormat().latest())
			got := []string{refused}
			if len(d.faults) == 0 {
				got = configured(t, d)
			}
			want = withoutTraces(want)
			slices.Sort(want)
			if diff := cmp.Diff(slices.Compact(want), got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("%s in %s (-want +got):\n%s", f.path, theFormat().versions[version], diff)
			}
		}
	}
	t.Logf("%d fields of versions", count)
}

// configured is the values of a document as they come out of the structs again.
func configured(t *testing.T, d *document) []string {
	t.Helper()
	var c Config
	d.flatten()
	d.kubeKeys()
	if err := d.root.Decode(&c); err != nil {
		t.Fatal(err)
	}
	var n yaml.Node
	if err := n.Encode(&c); err != nil {
		t.Fatal(err)
	}
	return withoutTraces(leaves(&n, ""))
}

// TestAFieldIsRefusedInVersionsThatLackIt tries every field in the version before its first and after its last one.
func TestAFieldIsRefusedInVersionsThatLackIt(t *testing.T) {
	all, count := fieldFacts(t), 0
	has := map[string][]fact{}
	for _, f := range all {
		has[strings.ReplaceAll(f.path, "[]", "")] = append(has[strings.ReplaceAll(f.path, "[]", "")], f)
	}
	there := func(path string, version int) *fact {
		for _, f := range has[strings.ReplaceAll(path, "[]", "")] {
			if f.first <= version && version <= f.last {
				return &f
			}
		}
		return nil
	}
	for _, f := range all {
		for _, version := range []int{f.first - 1, f.last + 1} {
			if version < 0 || version > theFormat().latest() || there(f.path, version) != nil {
				continue
			}
			parent := there(parentOf(f.path), version)
			lax := version >= theFormat().order["v2beta11"] && (strings.Contains(f.path, ".kaniko.") || strings.Contains(f.path, "build.cluster."))
			if lax || parentOf(f.path) != "" && (parent == nil || parent.isLeaf()) {
				continue
			}
			count++
			if _, err := load(t, f.document(version)); err == nil || !strings.Contains(err.Error(), "field") {
				t.Errorf("%s is taken in %s, which does not have it: %v", f.path, theFormat().versions[version], err)
			}
		}
	}
	t.Logf("%d fields of versions", count)
}

// TestAValueOfAWrongTypeIsRefused writes something else than the type of each field of the latest version says.
func TestAValueOfAWrongTypeIsRefused(t *testing.T) {
	latest := theFormat().latest()
	for _, f := range fieldFacts(t) {
		if f.last < latest || f.kind == "any" || f.path == "apiVersion" || f.path == "kind" || strings.HasPrefix(f.path, "profiles[].") && !f.isLeaf() {
			continue
		}
		wrong := fact{f.path, "wrong", latest, latest} // a map of texts
		switch f.kind {
		case "object", "struct{}", "object (recursive)", "k8s Container", "map (free form)", "map<string,string>", "map<string,string|null>", "map<string,string> (nested input flattened)":
			wrong.kind = "list<string>"
		}
		if _, err := load(t, wrong.document(latest)); err == nil || !strings.Contains(err.Error(), " must be ") {
			t.Errorf("%s, %s: %v", f.path, f.kind, err)
		}
	}
}
