package config

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
)

// variant writes the same file in another way: what it means must not change.
type variant struct {
	name string
	text func(data []byte, nodes []*yaml.Node) []byte // nil: there is no such way for this file
}

func variants() []variant {
	written := func(change func(root *yaml.Node), indent int) func([]byte, []*yaml.Node) []byte {
		return func(_ []byte, nodes []*yaml.Node) []byte {
			var b bytes.Buffer
			e := yaml.NewEncoder(&b)
			e.SetIndent(indent)
			for _, n := range nodes {
				change(n)
				if err := e.Encode(n); err != nil {
					return nil
				}
			}
			return b.Bytes()
		}
	}
	each := func(change func(n *yaml.Node)) func(root *yaml.Node) {
		var walk func(n *yaml.Node)
		walk = func(n *yaml.Node) {
			for _, m := range n.Content {
				walk(m)
			}
			change(n)
		}
		return walk
	}
	return []variant{
		{"indented by seven", written(func(*yaml.Node) {}, 7)},
		{"in flow style", written(each(func(n *yaml.Node) {
			n.HeadComment, n.LineComment, n.FootComment = "", "", "" // a remark ends a line, and with it a bracket
			if n.Kind != yaml.ScalarNode {
				n.Style = yaml.FlowStyle
			} else if isNull(n) && n.Value == "" {
				n.Value = "~"
			}
		}), 2)},
		{"in block style", written(each(func(n *yaml.Node) { n.Style &^= yaml.FlowStyle }), 2)},
		{"with quoted keys", written(each(func(n *yaml.Node) {
			for i := 0; n.Kind == yaml.MappingNode && i < len(n.Content); i += 2 {
				if n.Content[i].ShortTag() == "!!str" {
					n.Content[i].Style = yaml.DoubleQuotedStyle
				}
			}
		}), 2)},
		{"with remarks everywhere", written(each(func(n *yaml.Node) {
			if n.Kind == yaml.MappingNode && n.Style&yaml.FlowStyle == 0 {
				for i := 0; i < len(n.Content); i += 2 {
					n.Content[i].HeadComment = "# a remark: {with} [brackets"
				}
			}
		}), 2)},
		{"with its keys turned round", written(each(func(n *yaml.Node) {
			if n.Kind == yaml.MappingNode {
				var turned []*yaml.Node
				for i := len(n.Content) - 2; i >= 0; i -= 2 {
					turned = append(turned, n.Content[i], n.Content[i+1])
				}
				n.Content = turned
			}
		}), 2)},
		{"with lines of Windows", func(data []byte, _ []*yaml.Node) []byte {
			return []byte(strings.ReplaceAll(strings.ReplaceAll(string(data), "\r\n", "\n"), "\n", "\r\n"))
		}},
		{"with a byte order mark and a first ---", func(data []byte, _ []*yaml.Node) []byte {
			if bytes.HasPrefix(bytes.TrimSpace(data), []byte("---")) || bytes.HasPrefix(data, []byte("%")) {
				return nil
			}
			return append([]byte("\xef\xbb\xbf---\n"), data...)
		}},
		{"with anchors and merge keys", written(func(root *yaml.Node) {
			// Each block at the top moves below a helper key, and is merged from there.
			helper := &yaml.Node{Kind: yaml.MappingNode}
			for i := 0; root.Kind == yaml.MappingNode && i < len(root.Content); i += 2 {
				block := root.Content[i+1]
				if block.Kind != yaml.MappingNode || block.Anchor != "" || len(block.Content) == 0 {
					continue
				}
				block.Anchor = "at" + root.Content[i].Value
				helper.Content = append(helper.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: root.Content[i].Value}, block)
				merge := &yaml.Node{Kind: yaml.ScalarNode, Value: "<<", Tag: "!!merge"}
				root.Content[i+1] = &yaml.Node{Kind: yaml.MappingNode, Content: []*yaml.Node{merge, {Kind: yaml.AliasNode, Value: block.Anchor, Alias: block}}}
			}
			if len(helper.Content) > 0 {
				root.Content = append([]*yaml.Node{{Kind: yaml.ScalarNode, Value: ".helper"}, helper}, root.Content...)
			}
		}, 2)},
	}
}

// TestRealFilesMeanTheSameHoweverTheyAreWritten loads every real file, with and without its profiles, and then the same file
// written in other ways.
func TestRealFilesMeanTheSameHoweverTheyAreWritten(t *testing.T) {
	t.Parallel()
	root := corpus(t)
	same, byFile := 0, map[string][]string{}
	for _, row := range verdicts(t, root) {
		if row["diagnose_rc"] == "0" {
			file := filepath.Join(root, row["dir"], row["path"])
			byFile[file] = append(byFile[file], row["profile"])
		}
	}
	for _, file := range sortedKeys(byFile) {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, profile := range slices.Compact(byFile[file]) {
			want, failed := meaning(file, data, profile)
			if failed != nil {
				continue
			}
			for _, v := range variants() {
				nodes, err := decodeAll(data)
				if err != nil {
					t.Fatal(err)
				}
				text := v.text(data, nodes)
				if text == nil || bytes.Contains(data, []byte(": &")) && slices.Contains([]string{"with anchors and merge keys", "with its keys turned round"}, v.name) {
					continue
				}
				same++
				got, err := meaning(file, text, profile)
				if err != nil {
					t.Errorf("%s -p %q %s: %v\n%.3000s", file, profile, v.name, err, text)
				} else if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("%s -p %q %s (-want +got):\n%s", file, profile, v.name, diff)
				}
			}
		}
	}
	t.Logf("%d variants", same)
}

// meaning is the effective configuration of a text that stands where a file stands. What it requires is left out.
func meaning(file string, data []byte, profile string) ([]any, error) {
	o := Options{File: "-", Dir: filepath.Dir(file), Stdin: bytes.NewReader(data), Command: "diagnose", ProfileAutoActivation: true}
	if profile != "" {
		o.Profiles = []string{profile}
	}
	p, err := Load(context.Background(), o)
	if err != nil {
		return nil, err
	}
	text, err := p.YAML()
	return values(text), err
}
