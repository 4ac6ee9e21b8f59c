package kube_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/skiff-dev/skiff/internal/diag"
	"github.com/skiff-dev/skiff/internal/kube"
	syaml "sigs.k8s.io/yaml"
)

func read(t *testing.T, text string) []*kube.Object {
	t.Helper()
	objects, err := kube.ReadObjects("k8s/app.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return objects
}

func TestReadObjects(t *testing.T) {
	type found struct {
		ID   kube.ID
		Line int
	}
	for _, tt := range []struct {
		name, text string
		want       []found
	}{
		{"nothing", "", nil},
		{"only comments and separators", "# a\n---\n# b\n---\n", nil},
		{"two documents", "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n---\n# second\napiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: b\n  namespace: ns\n",
			[]found{{kube.ID{Kind: "Pod", Name: "a"}, 1}, {kube.ID{Group: "apps", Kind: "Deployment", Namespace: "ns", Name: "b"}, 6}}},
		{"a list is opened", "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Pod\n  metadata: {name: a}\n- apiVersion: v1\n  kind: Pod\n  metadata: {name: b}\n",
			[]found{{kube.ID{Kind: "Pod", Name: "a"}, 4}, {kube.ID{Kind: "Pod", Name: "b"}, 7}}},
		{"JSON", `{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}}`, []found{{kube.ID{Kind: "Pod", Name: "a"}, 1}}},
		{"JSON that is no YAML", `{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "annotations": {"x": "\ud83d\ude00"}}}`, []found{{kube.ID{Kind: "Pod", Name: "a"}, 1}}},
		{"JSON indented with tabs", "{\n\t\"apiVersion\": \"v1\",\n\t\"kind\": \"Pod\",\n\t\"metadata\": {\"name\": \"a\"}\n}", []found{{kube.ID{Kind: "Pod", Name: "a"}, 1}}},
		{"a byte order mark and Windows line ends", "\xef\xbb\xbfapiVersion: v1\r\nkind: Pod\r\nmetadata:\r\n  name: a\r\n", []found{{kube.ID{Kind: "Pod", Name: "a"}, 1}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got []found
			for _, o := range read(t, tt.text) {
				got = append(got, found{o.ID(), o.Line})
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("ReadObjects (-want +got):\n%s", diff)
			}
		})
	}
}

func TestReadObjectsNamesTheLineOfEachFault(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		want       []string
	}{
		{"broken YAML", "apiVersion: v1\nkind: Pod\nmetadata: {name: a\nspec: {}\n", []string{"k8s/app.yaml:3: did not find expected ',' or '}'"}},
		{"a wrong indent in a second document", "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n---\napiVersion: v1\nkind: Pod\nmetadata:\n  name: b\n labels: {}\n", []string{"k8s/app.yaml:8: did not find expected key"}},
		{"a tab", "apiVersion: v1\nmetadata:\n\tname: a\n", []string{"k8s/app.yaml:3: found character that cannot start any token"}},
		{"a key twice", "apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\n  name: b\n", []string{`k8s/app.yaml:5:3: key "name" is given twice, first in line 4`}},
		{"no kind", "apiVersion: v1\nmetadata: {name: a}\n", []string{"k8s/app.yaml:1:1: this object has no kind"}},
		{"no apiVersion", "---\nkind: Pod\nmetadata: {name: a}\n", []string{"k8s/app.yaml:2:1: this Pod has no apiVersion"}},
		{"no name", "apiVersion: v1\nkind: Pod\n", []string{"k8s/app.yaml:1:1: this Pod has no metadata.name"}},
		{"a name that YAML takes for true", "apiVersion: v1\nkind: Pod\nmetadata: {name: y}\n", []string{"k8s/app.yaml:1:1: metadata.name of this Pod is no text but true"}},
		{"a generated name", "apiVersion: v1\nkind: Pod\nmetadata: {generateName: a-}\n", []string{"k8s/app.yaml:1:1: this Pod has generateName and no name"}},
		{"no object", "- a\n- b\n", []string{"k8s/app.yaml:1:1: this document is not an object"}},
		{"not Kubernetes", "a: b\n", []string{"k8s/app.yaml:1:1: this document has no apiVersion and no kind"}},
		{"faults of several documents", "kind: Pod\nmetadata: {name: a}\n---\napiVersion: v1\nkind: Pod\n",
			[]string{"k8s/app.yaml:1:1: this Pod has no apiVersion", "k8s/app.yaml:4:1: this Pod has no metadata.name"}},
		{"an item of a list", "apiVersion: v1\nkind: List\nitems:\n- kind: Pod\n", []string{"k8s/app.yaml:4:3: this Pod has no apiVersion"}},
		{"a number that JSON does not have", "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {x: .inf}\n", []string{"k8s/app.yaml:4:11: .inf is no number that JSON has"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := kube.ReadObjects("k8s/app.yaml", []byte(tt.text))
			var got []string
			for _, e := range diag.All(err) {
				got = append(got, e.Error())
				if e.Hint == "" {
					t.Errorf("%v has no hint", e)
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("faults (-want +got):\n%s", diff)
			}
		})
	}
}

func TestValuesAreReadAsKubectlReadsThem(t *testing.T) {
	for _, text := range []string{
		"yes", "no", "on", "off", "y", "N", "True", "FALSE", `"yes"`, "'on'", "null", "~", "", "0644", "0o644", "0x1f", "1e3", "1.5", "9007199254740993", "2024-01-02", "2024-01-02T03:04:05Z", "1:20", "abc", "!!str 12", "|\n    two\n    lines", "[1, two, yes]", "{a: 1, 2: b, true: c}", "+5", "1_000", "-0", ".5", "5.",
	} {
		t.Run(text, func(t *testing.T) {
			manifest := "apiVersion: v1\nkind: X\nmetadata: {name: x}\nv: " + text + "\n"
			object := read(t, manifest)[0].Object
			var got bytes.Buffer
			if err := kube.WriteObjects(&got, read(t, manifest)); err != nil {
				t.Fatal(err)
			}
			want, err := syaml.YAMLToJSON([]byte(manifest))
			if err != nil {
				t.Fatal(err)
			}
			again, err := syaml.JSONToYAML(want)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(again), got.String()); diff != "" {
				t.Errorf("%#v (-kubectl +skiff):\n%s", object["v"], diff)
			}
		})
	}
}

func TestAliasesAndMergesAreUnfolded(t *testing.T) {
	o := read(t, `
apiVersion: v1
kind: X
metadata: {name: x}
base: &b {a: 1, b: 2}
one: {<<: *b, b: 3}
two: {<<: [{a: 9}, *b]}
three: *b
`)[0]
	want := map[string]any{"one": map[string]any{"a": int64(1), "b": int64(3)}, "two": map[string]any{"a": int64(9), "b": int64(2)}, "three": map[string]any{"a": int64(1), "b": int64(2)}}
	got := map[string]any{"one": o.Object["one"], "two": o.Object["two"], "three": o.Object["three"]}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("values (-want +got):\n%s", diff)
	}
	bomb := "apiVersion: v1\nkind: X\nmetadata: {name: x}\na0: &a0 [x,x,x,x,x,x,x,x,x,x]\n"
	for i := range 9 {
		n := string(rune('0' + i))
		m := string(rune('1' + i))
		bomb += "a" + m + ": &a" + m + " [" + strings.TrimSuffix(strings.Repeat("*a"+n+",", 10), ",") + "]\n"
	}
	if _, err := kube.ReadObjects("bomb.yaml", []byte(bomb)); err == nil || !strings.Contains(err.Error(), "too large") {
		t.Errorf("a bomb of aliases: %v", err)
	}
}

func TestWriteObjectsIsStable(t *testing.T) {
	var b bytes.Buffer
	if err := kube.WriteObjects(&b, read(t, "kind: Pod\napiVersion: v1\nmetadata: {name: a}\n---\n{apiVersion: v1, kind: Pod, metadata: {name: b, labels: {z: \"1\", a: \"yes\"}}}")); err != nil {
		t.Fatal(err)
	}
	want := "apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\n---\napiVersion: v1\nkind: Pod\nmetadata:\n  labels:\n    a: \"yes\"\n    z: \"1\"\n  name: b\n"
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("WriteObjects (-want +got):\n%s", diff)
	}
}

func TestContainers(t *testing.T) {
	const spec = "{initContainers: [{name: i, image: init}], containers: [{name: c, image: app, ports: [{containerPort: 80, name: http}, {containerPort: 53, protocol: UDP}]}]}"
	want := []kube.Container{{Name: "i", Image: "init", Init: true},
		{Name: "c", Image: "app", Ports: []kube.Port{{Name: "http", Number: 80, Protocol: "TCP"}, {Number: 53, Protocol: "UDP"}}}}
	for _, tt := range []struct {
		name, text string
		want       []kube.Container
	}{
		{"a Pod", "{apiVersion: v1, kind: Pod, metadata: {name: x}, spec: " + spec + "}", want},
		{"a Deployment", "{apiVersion: apps/v1, kind: Deployment, metadata: {name: x}, spec: {template: {spec: " + spec + "}}}", want},
		{"a CronJob", "{apiVersion: batch/v1, kind: CronJob, metadata: {name: x}, spec: {jobTemplate: {spec: {template: {spec: " + spec + "}}}}}", want},
		{"a custom workload", "{apiVersion: argoproj.io/v1alpha1, kind: Rollout, metadata: {name: x}, spec: {template: {spec: " + spec + "}}}", want},
		{"a ConfigMap", "{apiVersion: v1, kind: ConfigMap, metadata: {name: x}}", nil},
		{"what is no list of containers", "{apiVersion: v1, kind: Pod, metadata: {name: x}, spec: {containers: [1, {name: 2}]}}", []kube.Container{{}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, kube.Containers(read(t, tt.text)[0])); diff != "" {
				t.Errorf("Containers (-want +got):\n%s", diff)
			}
		})
	}
}
