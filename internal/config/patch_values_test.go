package config

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
)

// TestAPatchOfAnOldBlockMeansWhatTheBlockMeans patches, in every version that has patches, every block around every field: the
// value is in the shape of that version, and the result must be that of a file which holds the value itself.
func TestAPatchOfAnOldBlockMeansWhatTheBlockMeans(t *testing.T) {
	count, first := 0, theFormat().order["v1beta4"]
	seen := map[string]bool{}
	for _, f := range fieldFacts(t) {
		if strings.Contains(f.path, ".-") { // in a path that is the end of a list
			continue
		}
		if !f.isLeaf() || strings.HasPrefix(f.path, "profiles") || strings.HasPrefix(f.path, "metadata") || strings.HasPrefix(f.path, "requires") || f.path == "apiVersion" || f.path == "kind" {
			continue
		}
		for _, version := range []int{max(f.first, first), f.last, theFormat().order["v2beta29"]} {
			if version < f.first || version > f.last || version < first || seen[f.path+fmt.Sprint(version)] {
				continue
			}
			seen[f.path+fmt.Sprint(version)] = true
			is := f.document(version)
			want := effective(t, is)
			if want == "" {
				continue // refused without a patch as well
			}
			was := strings.NewReplacer("zz", "yy", " 7", " 8").Replace(is)
			for path, value := range blocks(t, is) {
				count++
				got := effective(t, was+"profiles:\n- name: pp\n  patches:\n  - path: "+path+"\n    value: "+value+"\n", "pp")
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("%s in %s, patched at %s with %s (-want +got):\n%s", f.path, theFormat().versions[version], path, value, diff)
				}
			}
		}
	}
	t.Logf("%d patches", count)
}

// effective is what a text means, "" where it is refused.
func effective(t *testing.T, text string, profiles ...string) string {
	t.Helper()
	p, err := Load(context.Background(), Options{File: "-", Dir: "/p", Stdin: strings.NewReader(text), Profiles: profiles, Command: "diagnose"})
	if err != nil && len(profiles) > 0 {
		return err.Error()
	}
	if err != nil {
		return ""
	}
	data, err := p.YAML()
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// blocks is every block of a document, as flow YAML, by the path that a patch names it with.
func blocks(t *testing.T, text string) map[string]string {
	t.Helper()
	var n yaml.Node
	if err := yaml.Unmarshal([]byte(text), &n); err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	var walk func(n *yaml.Node, path string)
	walk = func(n *yaml.Node, path string) {
		if n.Kind == yaml.ScalarNode {
			return
		}
		if path != "" && path != "/apiVersion" && path != "/kind" {
			all[path] = flow(t, n)
		}
		for i, m := range n.Content {
			switch {
			case n.Kind == yaml.SequenceNode:
				walk(m, fmt.Sprintf("%s/%d", path, i))
			case i%2 == 1:
				walk(m, path+"/"+n.Content[i-1].Value)
			}
		}
	}
	walk(n.Content[0], "")
	return all
}

func flow(t *testing.T, n *yaml.Node) string {
	t.Helper()
	data, err := yaml.Marshal(flowing(n))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(data))
}

func flowing(n *yaml.Node) *yaml.Node {
	c := clone(n)
	c.Style = yaml.FlowStyle
	return c
}
