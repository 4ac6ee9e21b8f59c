package config

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestTheReferenceIsWhatExplainSays keeps docs/config.md true; -update writes it.
func TestTheReferenceIsWhatExplainSays(t *testing.T) {
	fields, err := allFields()
	if err != nil {
		t.Fatal(err)
	}
	const file = "../../docs/config.md"
	got := reference(fields)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s is old: go test ./internal/config -run Reference -update (-file +explain):\n%s", file, diff)
	}
}

func reference(fields []*Field) string {
	var b strings.Builder
	b.WriteString("# skaffold.yaml, field by field\n\nWhat `skiff explain FIELD` says, on one page, for " + Latest() + ". This page is made by a test; the source is\n`internal/config/docs.txt`. Files of every older version work too: `skiff schema get VERSION` prints what such a version has.\n\n" +
		"\"Since\" is the first apiVersion that has the field at this place. A profile can hold the blocks of the file again.\n")
	for _, f := range fields {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n", f.Path, f.Meaning)
		if f.Example != "" {
			fmt.Fprintf(&b, "\n```yaml\n%s```\n", f.Example)
		}
		b.WriteString("\n| field | type | default | since | what it does |\n|---|---|---|---|---|\n")
		rows(&b, []*Field{f})
	}
	return b.String()
}

func rows(b *strings.Builder, fields []*Field) {
	for _, f := range fields {
		meaning := f.Meaning
		if f.Values != "" {
			meaning += " One of: " + f.Values + "."
		}
		if f.Templates != "" {
			meaning += " Templates: " + f.Templates + "."
		}
		if f.Required {
			meaning += " **Required.**"
		}
		if len(f.OneOf) > 0 {
			meaning += " Only one of " + strings.Join(f.OneOf, ", ") + "."
		}
		fmt.Fprintf(b, "| `%s` | %s | %s | %s | %s |\n", f.Path, f.Type, strings.ReplaceAll(f.Default, "*", "\\*"), strings.TrimPrefix(f.Since, prefix), meaning)
		rows(b, f.Fields)
	}
}

func TestEveryFieldIsDocumented(t *testing.T) {
	fields, err := allFields()
	if err != nil {
		t.Fatal(err)
	}
	used := map[string]bool{}
	var look func(fields []*Field)
	n := 0
	look = func(fields []*Field) {
		for _, f := range fields {
			n++
			if f.Meaning == "" {
				t.Errorf("%s has no line in docs.txt", f.Path)
			}
			path := strings.ReplaceAll(f.Path, "[]", "")
			for end := path; ; {
				if _, ok := theDocs()[end]; ok {
					used[end] = true
					break
				}
				_, rest, more := strings.Cut(end, ".")
				if !more {
					break
				}
				end = rest
			}
			look(f.Fields)
		}
	}
	look(fields)
	for key := range theDocs() {
		if !used[key] {
			t.Errorf("docs.txt explains %q, which is no field", key)
		}
	}
	t.Logf("%d fields", n)
}

// TestEveryExampleIsOne loads each example at its place in a file.
func TestEveryExampleIsOne(t *testing.T) {
	for path, d := range theDocs() {
		if d.example == "" {
			continue
		}
		text := d.example
		key, _, _ := strings.Cut(text, ":")
		// What lies around the first key of the example is written here.
		steps := strings.Split(wholePath(path), ".")
		at := slices.Index(steps, key)
		if at < 0 {
			t.Errorf("the example of %s begins with %q", path, key)
			continue
		}
		text = wrapped(steps[:at], text)
		doc := "apiVersion: " + Latest() + "\nkind: Config\n" + text
		docs, faults := parse(input{"skaffold.yaml", "/skaffold.yaml", []byte(doc)})
		if len(faults) > 0 {
			t.Errorf("%s: %v\n%s", path, faults, doc)
			continue
		}
		l := &loader{format: theFormat()}
		l.identify(docs[0])
		(&checker{doc: docs[0], format: l.format, version: docs[0].version}).checkRoot()
		if len(docs[0].faults) > 0 {
			t.Errorf("%s: %v\n%s", path, docs[0].faults, doc)
		}
	}
}

// wholePath is the first path with an end that docs.txt names.
func wholePath(path string) string {
	fields, _ := allFields()
	found := ""
	var look func(fields []*Field)
	look = func(fields []*Field) {
		for _, f := range fields {
			if p := strings.ReplaceAll(f.Path, "[]", ""); found == "" && strings.HasSuffix("."+p, "."+path) {
				found = p
			}
			look(f.Fields)
		}
	}
	look(fields)
	return found
}

// wrapped puts a text below a path; what is a list gets one item.
func wrapped(steps []string, text string) string {
	for i := len(steps) - 1; i >= 0; i-- {
		path := strings.Join(steps[:i+1], ".")
		f, err := Explain(path)
		indent, first := "  ", "  "
		if err == nil && strings.HasSuffix(f.Path, "[]") {
			first = "- "
		}
		lines := strings.SplitAfter(strings.TrimSuffix(text, "\n"), "\n")
		text = steps[i] + ":\n" + first + strings.Join(lines, indent) + "\n"
	}
	return text
}

func TestExplainTakesPathsAsPeopleWriteThem(t *testing.T) {
	for _, tt := range []struct{ path, want string }{
		{"build.artifacts.sync", "build.artifacts[].sync"},
		{"build.artifacts[0].sync.manual[].src", "build.artifacts[].sync.manual[].src"},
		{"profiles.build.artifacts.image", "profiles[].build.artifacts[].image"},
		{"build.tagPolicy.customTemplate.components.customTemplate.template", "build.tagPolicy.customTemplate.components[].customTemplate.template"},
		{"deploy.kubectl.manifests", "deploy.kubectl.manifests[]"},
		{"build.artefacts", `error: build has no field "artefacts"`},
		{"kind.x", `error: kind has no field "x"`},
	} {
		f, err := Explain(tt.path)
		got := ""
		if err != nil {
			got = "error: " + err.Error()
		} else if got = f.Path; f.Meaning == "" {
			t.Errorf("%s has no meaning", tt.path)
		}
		if got != tt.want {
			t.Errorf("Explain(%q) = %q, want %q", tt.path, got, tt.want)
		}
	}
}

// allFields is every field of the latest version, each with what it holds; customTemplate does not hold itself again, and
// profiles do not repeat the blocks of the file.
func allFields() ([]*Field, error) {
	root, err := Explain("")
	if err != nil {
		return nil, err
	}
	return root.Fields, deepen(root.Fields)
}

func deepen(fields []*Field) error {
	for _, f := range fields {
		path := strings.ReplaceAll(f.Path, "[]", "")
		key := last(path)
		if strings.Contains(path, "components.customTemplate") || strings.HasPrefix(path, "profiles.") && theFormat().root.kids["profiles"].kids[key].at(theFormat().latest()) == isPipeline {
			continue
		}
		whole, err := Explain(path)
		if err != nil {
			return err
		}
		f.Fields = whole.Fields
		if err := deepen(f.Fields); err != nil {
			return err
		}
	}
	return nil
}
