package tag

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/skiff-dev/skiff/internal/config"
)

func empty() *config.Empty { return &config.Empty{} }

// oneArtifact is a project with one artifact in dir.
func oneArtifact(dir string, policy config.TagPolicy) (*config.Project, *config.Artifact) {
	a := &config.Artifact{Image: "web", Context: dir}
	c := &config.Config{File: "skaffold.yaml"}
	c.Build.TagPolicy, c.Build.Artifacts, a.Config = policy, []*config.Artifact{a}, c
	return &config.Project{Configs: []*config.Config{c}}, a
}

func TestPolicies(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "f"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 11, 22, 8, 17, 46, 238_000_000, time.UTC)
	for _, tt := range []struct {
		name   string
		policy config.TagPolicy
		want   string
		warns  string
	}{
		{"sha256 is latest", config.TagPolicy{Sha256: empty()}, "latest", ""},
		{"dateTime has a layout by default", config.TagPolicy{DateTime: &config.DateTimeTagger{}}, "2026-11-22_08-17-46.238_UTC", ""},
		{"dateTime has a layout and a zone", config.TagPolicy{DateTime: &config.DateTimeTagger{Format: "15-04", Timezone: "Europe/Paris"}}, "09-17", ""},
		{"an unknown zone is told", config.TagPolicy{DateTime: &config.DateTimeTagger{Timezone: "Mars/Olympus"}}, "latest", "time zone"},
		{"envTemplate has the environment", config.TagPolicy{EnvTemplate: &config.EnvTemplateTagger{Template: "{{.USER}}-1"}}, "ann-1", ""},
		{"envTemplate has functions", config.TagPolicy{EnvTemplate: &config.EnvTemplateTagger{Template: `{{.NONE | default "x" | upper}}`}}, "X", ""},
		{"a variable that is not set is told", config.TagPolicy{EnvTemplate: &config.EnvTemplateTagger{Template: "{{.NONE}}"}}, "latest", "not set"},
		{"a template of the first versions names the image", config.TagPolicy{EnvTemplate: &config.EnvTemplateTagger{Template: "{{.IMAGE_NAME}}:v1"}}, "v1", ""},
		{"what is no tag is told", config.TagPolicy{EnvTemplate: &config.EnvTemplateTagger{Template: "a b"}}, "latest", "no valid tag"},
		{"inputDigest is what Skaffold computes", config.TagPolicy{InputDigest: empty()}, "7a30c8fda58079d522c2b893c023c6758e130f7a8ecb7e3887c81e38d40514a4", ""},
		{"customTemplate puts tags together", config.TagPolicy{CustomTemplate: &config.CustomTemplateTagger{
			Template: "{{.DATE}}_{{.SHA}}_{{.MINE}}", Components: []*config.TagComponent{
				{Name: "DATE", TagPolicy: config.TagPolicy{DateTime: &config.DateTimeTagger{Format: "2006"}}},
				{Name: "MINE", TagPolicy: config.TagPolicy{EnvTemplate: &config.EnvTemplateTagger{Template: "{{.USER}}"}}},
			}}}, "2026_latest_ann", ""},
		{"an unknown component is told", config.TagPolicy{CustomTemplate: &config.CustomTemplateTagger{Template: "{{.WHAT}}"}}, "latest", "WHAT"},
		{"outside a git repository gitCommit is latest", config.TagPolicy{}, "latest", "no git repository"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, a := oneArtifact(dir, tt.policy)
			var warned []string
			tagger, err := New(p, Options{
				Environ: []string{"USER=ann"}, Now: func() time.Time { return now },
				Warn: func(text string) { warned = append(warned, text) },
				Files: func(context.Context, *config.Artifact) ([]string, error) {
					return []string{filepath.Join(dir, "f")}, nil
				},
			})
			if err != nil {
				t.Fatal(err)
			}
			got, err := tagger.Tag(t.Context(), a)
			if err != nil || got != tt.want {
				t.Errorf("tag %q, %v, want %q", got, err, tt.want)
			}
			if text := strings.Join(warned, "\n"); (text == "") != (tt.warns == "") || !strings.Contains(text, tt.warns) {
				t.Errorf("warned %q, want %q", text, tt.warns)
			}
		})
	}
}

func TestAPolicyThatCannotWorkStopsAtOnce(t *testing.T) {
	component := func(name string, p config.TagPolicy) *config.TagComponent {
		return &config.TagComponent{Name: name, TagPolicy: p}
	}
	for _, tt := range []struct {
		name   string
		policy config.TagPolicy
	}{
		{"an unknown git variant", config.TagPolicy{GitCommit: &config.GitTagger{Variant: "Moon"}}},
		{"a template that does not parse", config.TagPolicy{EnvTemplate: &config.EnvTemplateTagger{Template: "{{"}}},
		{"a function in a customTemplate", config.TagPolicy{CustomTemplate: &config.CustomTemplateTagger{Template: "{{.GIT | upper}}"}}},
		{"a component without a policy", config.TagPolicy{CustomTemplate: &config.CustomTemplateTagger{Components: []*config.TagComponent{component("A", config.TagPolicy{})}}}},
		{"a component that is given twice", config.TagPolicy{CustomTemplate: &config.CustomTemplateTagger{Components: []*config.TagComponent{
			component("A", config.TagPolicy{Sha256: empty()}), component("A", config.TagPolicy{Sha256: empty()})}}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, _ := oneArtifact(t.TempDir(), tt.policy)
			if _, err := New(p, Options{}); err == nil {
				t.Error("no error")
			}
		})
	}
}

func TestGitVariants(t *testing.T) {
	s := newShell(t)
	s.write("web/f", "x")
	s.git("add", "-A")
	s.git("commit", "-q", "-m", "one")
	s.git("tag", "release/v1+2")
	s.git("checkout", "-q", "-b", "feature/x")
	commit := s.git("rev-parse", "HEAD")
	tree := s.git("rev-parse", "HEAD:web")
	s.write("other", "new, but not in the context")
	for _, tt := range []struct {
		policy config.GitTagger
		want   string
	}{
		{config.GitTagger{}, "release_v1_2"},
		{config.GitTagger{Variant: "tags", Prefix: "p-"}, "p-release_v1_2"},
		{config.GitTagger{Variant: "CommitSha"}, commit},
		{config.GitTagger{Variant: "AbbrevCommitSha"}, commit[:7]},
		{config.GitTagger{Variant: "TreeSha"}, tree},
		{config.GitTagger{Variant: "AbbrevTreeSha"}, tree[:7]},
		{config.GitTagger{Variant: "Branches"}, "feature_x"},
	} {
		t.Run(tt.policy.Variant, func(t *testing.T) {
			p, a := oneArtifact(filepath.Join(s.dir, "web"), config.TagPolicy{GitCommit: &tt.policy})
			tags := func() []string {
				t.Helper()
				tagger, err := New(p, Options{Environ: s.env, Warn: func(text string) { t.Error(text) }})
				if err != nil {
					t.Fatal(err)
				}
				tags, err := tagger.Tags(t.Context(), []*config.Artifact{a, a})
				if err != nil {
					t.Fatal(err)
				}
				return tags
			}
			if diff := cmp.Diff([]string{tt.want, tt.want}, tags()); diff != "" {
				t.Errorf("clean (-want +got):\n%s", diff)
			}
			s.write("web/new", "x")
			if diff := cmp.Diff([]string{tt.want + "-dirty", tt.want + "-dirty"}, tags()); diff != "" {
				t.Errorf("dirty (-want +got):\n%s", diff)
			}
			p.Configs[0].Build.TagPolicy.GitCommit.IgnoreChanges = true
			if diff := cmp.Diff([]string{tt.want, tt.want}, tags()); diff != "" {
				t.Errorf("changes ignored (-want +got):\n%s", diff)
			}
			if err := os.Remove(filepath.Join(s.dir, "web", "new")); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestTheTagOfTheCommandLineTakesThePlaceOfEveryPolicy(t *testing.T) {
	p, a := oneArtifact(t.TempDir(), config.TagPolicy{})
	tagger, err := New(p, Options{Tag: "mine"})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := tagger.Tag(t.Context(), a); got != "mine" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := New(p, Options{Tag: "no tag"}); err == nil {
		t.Error("an invalid --tag was taken")
	}
}
