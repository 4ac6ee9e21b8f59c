package config

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// latestFacts is a column of the table of the latest version, by the path of the field: those that have something there.
func latestFacts(t *testing.T, column int) map[string]string {
	t.Helper()
	is := map[string]string{}
	for _, row := range table(t, filepath.Join(facts(t), "fields", "latest.tsv")) {
		if row[column] != "" && !strings.HasPrefix(row[0], "profiles[]") {
			is[row[0]] = row[column]
		}
	}
	return is
}

// latestFields is the fields of the latest version, without those of profiles.
func latestFields(t *testing.T) []fact {
	t.Helper()
	return slices.DeleteFunc(fieldFacts(t), func(f fact) bool {
		return f.last < theFormat().latest() || strings.HasPrefix(f.path, "profiles[]") || f.path == "apiVersion" || f.path == "kind"
	})
}

func plainPath(path string) string { return strings.ReplaceAll(path, "[0]", "[]") }

// TestWhatIsRequiredIsAskedForAndNothingElse writes every block of the latest version empty and looks which keys it lacks.
func TestWhatIsRequiredIsAskedForAndNothingElse(t *testing.T) {
	required := map[string][]string{}
	for path := range latestFacts(t, 5) {
		path = strings.TrimSuffix(path, "[]")
		required[parentOf(path)] = append(required[parentOf(path)], last(path))
	}
	for _, f := range latestFields(t) {
		if f.isLeaf() || f.path == "verify[].container" || f.path == "requires[].git" { // their own messages
			continue
		}
		var got []string
		if _, err := load(t, f.document(theFormat().latest())); err != nil {
			for line := range strings.Lines(err.Error()) {
				_, fault, _ := strings.Cut(strings.TrimSpace(line), ": ")
				if path, key, ok := strings.Cut(fault, " has no "); ok && plainPath(path) == f.path {
					got = append(got, key)
				}
			}
		}
		want := required[f.path]
		if f.path == "verify[]" || f.path == "customActions[]" {
			want = append(slices.Clone(want), got...) // an empty container is one that is not there
			slices.Sort(want)
			want = slices.Compact(want)
		}
		slices.Sort(want)
		slices.Sort(got)
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", f.path, diff)
		}
	}
}

// TestOfAGroupOnlyOneCanBeWritten writes every two fields of a block together.
func TestOfAGroupOnlyOneCanBeWritten(t *testing.T) {
	groups := latestFacts(t, 6)
	blocks := map[string][]fact{}
	for _, f := range latestFields(t) {
		parent := parentOf(strings.TrimSuffix(f.path, "[]"))
		blocks[parent] = append(blocks[parent], f)
	}
	for parent, fields := range blocks {
		for i, a := range fields {
			for _, b := range fields[i+1:] {
				if parent == "" || groups[a.path] == "" {
					continue
				}
				text := documentOf(theFormat().latest(), parent, map[string]any{last(a.path): a.filled(), last(b.path): b.filled()})
				_, err := load(t, text)
				refused := err != nil && strings.Contains(err.Error(), "can have only one of")
				if want := groups[a.path] == groups[b.path]; refused != want {
					t.Errorf("%s and %s: refused %v, want %v: %v", a.path, b.path, refused, want, err)
				}
			}
		}
	}
}

// filled is an example that counts as written.
func (f fact) filled() any {
	if f.kind == "list<object>" {
		return []any{map[string]any{"zz": "zz"}}
	}
	return f.example()
}

// TestThePathsAreTheFieldsThatHoldPaths loads every text with "zz" in it and looks which ones become absolute.
func TestThePathsAreTheFieldsThatHoldPaths(t *testing.T) {
	paths := latestFacts(t, 7)
	for _, f := range latestFields(t) {
		if !f.isLeaf() || !strings.Contains(f.document(theFormat().latest()), "zz") || strings.HasPrefix(f.path, "requires") {
			continue
		}
		p, err := Load(context.Background(), Options{File: "-", Dir: "/p", Stdin: strings.NewReader(f.document(theFormat().latest())), Command: "diagnose"})
		if err != nil {
			t.Errorf("%s: %v", f.path, err)
			continue
		}
		data, err := p.YAML()
		if err != nil {
			t.Fatal(err)
		}
		if got, want := strings.Contains(string(data), "/p/zz"), paths[f.path] != ""; got != want {
			t.Errorf("%s: absolute is %v, want %v", f.path, got, want)
		}
	}
}

// TestTheTemplatesAreTheFieldsThatHoldTemplates fills in "{{.X}}" in every text, as diagnose --enable-templating does.
func TestTheTemplatesAreTheFieldsThatHoldTemplates(t *testing.T) {
	marks := latestFacts(t, 8)
	for _, f := range latestFields(t) {
		text := f.document(theFormat().latest())
		if !f.isLeaf() || !strings.Contains(text, "zz") || strings.HasPrefix(f.path, "requires") {
			continue
		}
		p, err := Load(context.Background(), Options{File: "-", Dir: "/p", Stdin: strings.NewReader(strings.ReplaceAll(text, "zz", `"{{.X}}"`)), Command: "diagnose"})
		if err != nil {
			t.Errorf("%s: %v", f.path, err)
			continue
		}
		if err := p.Configs[0].Fill(Templates{Environ: []string{"X=filled"}}); err != nil {
			t.Fatal(err)
		}
		data, err := p.YAML()
		if err != nil {
			t.Fatal(err)
		}
		if got, want := strings.Contains(string(data), "filled"), strings.HasPrefix(marks[f.path], "tag"); got != want {
			t.Errorf("%s: filled in is %v, want %v", f.path, got, want)
		}
	}
}
