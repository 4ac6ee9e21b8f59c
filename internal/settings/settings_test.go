package settings

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const someSettings = `# mine
global:
  default-repo: gcr.io/global
  insecure-registries: ['one:5000']
  kind-disable-load: true
  survey: {last-prompted: "2020"}
kubeContexts:
- kube-context: kind-.*
  default-repo: first
- kube-context: "!prod"
  local-cluster: false
- kube-context: kind-dev
  default-repo: gcr.io/dev # the one
  insecure-registries: [two:5000]
  someday: kept
`

func opened(t *testing.T, text string) *File {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestTheLastMatchingEntryWinsOverTheGlobalValues(t *testing.T) {
	yes, no := true, false
	f := opened(t, someSettings)
	for _, tt := range []struct {
		context string
		want    Values
	}{
		{"kind-dev", Values{DefaultRepo: "gcr.io/dev", InsecureRegistries: []string{"two:5000", "one:5000"}, KindDisableLoad: &yes}},
		{"kind-other", Values{DefaultRepo: "gcr.io/global", LocalCluster: &no, InsecureRegistries: []string{"one:5000"}, KindDisableLoad: &yes}},
		{"prod", Values{DefaultRepo: "gcr.io/global", InsecureRegistries: []string{"one:5000"}, KindDisableLoad: &yes}},
	} {
		got, err := f.For(tt.context)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.context, diff)
		}
	}
}

func TestSettingsAreChangedAndTheRestOfTheFileStays(t *testing.T) {
	f := opened(t, someSettings)
	for _, s := range []struct{ context, key, value string }{
		{"", "default-repo", "123"},
		{"kind-dev", "insecure-registries", "three:5000"},
		{"kind-dev", "insecure-registries", "three:5000"},
		{"new", "multi-level-repo", "true"},
		{"", "survey.disable-prompt", "true"},
	} {
		if err := f.Set(s.context, s.key, s.value); err != nil {
			t.Fatal(err)
		}
	}
	for _, s := range []struct{ context, key string }{{"", "kind-disable-load"}, {"kind-.*", "default-repo"}, {"nowhere", "default-repo"}} {
		if err := f.Unset(s.context, s.key); err != nil {
			t.Fatal(err)
		}
	}
	got, err := f.All()
	if err != nil {
		t.Fatal(err)
	}
	want := `# mine
global:
  default-repo: "123"
  insecure-registries: ['one:5000']
  survey: {last-prompted: "2020", disable-prompt: true}
kubeContexts:
  - kube-context: kind-.*
  - kube-context: "!prod"
    local-cluster: false
  - kube-context: kind-dev
    default-repo: gcr.io/dev # the one
    insecure-registries: ['two:5000', 'three:5000']
    someday: kept
  - kube-context: new
    multi-level-repo: true
`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("the file (-want +got):\n%s", diff)
	}
}

func TestSettingsThatMakeNoSenseAreRefused(t *testing.T) {
	f := opened(t, "")
	for _, s := range []struct{ key, value string }{{"default-rep", "x"}, {"local-cluster", "maybe"}, {"kube-context", "x"}} {
		if err := f.Set("", s.key, s.value); err == nil {
			t.Errorf("%s=%s passes", s.key, s.value)
		}
	}
	for _, text := range []string{"- a\n", "a: [\n", "\t"} {
		path := filepath.Join(t.TempDir(), "config")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(path); err == nil {
			t.Errorf("%q passes", text)
		}
	}
	if _, err := opened(t, "global: {local-cluster: [a]}\n").For("x"); err == nil {
		t.Error("a list passes as true or false")
	}
}
