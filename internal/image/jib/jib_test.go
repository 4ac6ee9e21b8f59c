package jib

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/skiff-dev/skiff/internal/config"
	"github.com/skiff-dev/skiff/internal/diag"
	"github.com/skiff-dev/skiff/internal/engine"
	"github.com/skiff-dev/skiff/internal/image"
)

func TestArguments(t *testing.T) {
	one, many := config.JibArtifact{Args: []string{"-Pdev"}}, config.JibArtifact{Project: "web"}
	m, g := maven{"mvn"}, gradle{"gradle"}
	for _, tt := range []struct {
		name string
		got  []string
		want string
	}{
		{"Maven to the engine", m.build(job{jib: one, ref: "web:1"}),
			"--batch-mode jib:_skaffold-fail-if-jib-out-of-date -Djib.requiredVersion=1.4.0 -Pdev --non-recursive prepare-package jib:dockerBuild -Dimage=web:1"},
		{"Maven, a module, pushed", m.build(job{jib: many, ref: "reg/web:1", push: true, skipTests: true, insecure: true, base: "debian", platforms: []string{"linux/amd64", "linux/arm64"}}),
			"--batch-mode jib:_skaffold-fail-if-jib-out-of-date -Djib.requiredVersion=1.4.0 --projects web --also-make -DskipTests=true package jib:build -Djib.containerize=web " +
				"-Djib.allowInsecureRegistries=true -Djib.from.image=debian -Djib.from.platforms=linux/amd64,linux/arm64 -Dimage=reg/web:1"},
		{"Maven's files", m.files(one), "jib:_skaffold-fail-if-jib-out-of-date -Djib.requiredVersion=1.4.0 -Pdev --non-recursive jib:_skaffold-files-v2 --quiet --batch-mode"},
		{"Maven's map", m.syncMap(many), "--batch-mode jib:_skaffold-fail-if-jib-out-of-date -Djib.requiredVersion=2.0.0 --projects web --also-make -DskipTests=true package jib:_skaffold-sync-map -Djib.containerize=web"},
		{"Gradle to the engine", g.build(job{jib: one, ref: "web:1"}), "--console=plain _skaffoldFailIfJibOutOfDate -Djib.requiredVersion=1.4.0 :jibDockerBuild -Pdev --image=web:1"},
		{"Gradle, a module, pushed", g.build(job{jib: many, ref: "reg/web:1", push: true, skipTests: true}),
			"--console=plain _skaffoldFailIfJibOutOfDate -Djib.requiredVersion=1.4.0 :web:jib -x test --image=reg/web:1"},
		{"Gradle's files", g.files(many), "_skaffoldFailIfJibOutOfDate -Djib.requiredVersion=1.4.0 :web:_jibSkaffoldFilesV2 -q --console=plain"},
		{"Gradle's map", g.syncMap(one), "--console=plain _skaffoldFailIfJibOutOfDate -Djib.requiredVersion=2.0.0 :_jibSkaffoldSyncMap -x test -Pdev"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(strings.Fields(tt.want), tt.got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestTheBaseImageMayBeOneOfTheProject(t *testing.T) {
	b := New(Options{})
	r := image.Request{Artifact: &config.Artifact{Jib: &config.JibArtifact{FromImage: "BASE"}}, Ref: "reg.example/web:1", Needs: map[string]image.Result{"BASE": {Ref: "base:1"}}}
	if got := b.job(r).base; got != "docker://base:1" {
		t.Errorf("from the engine: %s", got)
	}
	r.Push = true
	if got := b.job(r).base; got != "base:1" {
		t.Errorf("from the registry: %s", got)
	}
	r.Needs = nil
	if got := b.job(r).base; got != "BASE" {
		t.Errorf("as it is written: %s", got)
	}
}

// fakeEngine has every image.
type fakeEngine struct{}

func (fakeEngine) Inspect(context.Context, string) (engine.Image, error) {
	return engine.Image{ID: "sha256:1", Config: engine.Config{WorkingDir: "/app"}}, nil
}
func (fakeEngine) Tag(context.Context, string, string) error { return nil }

// project is a folder with a mvnw that answers as the plugin does, and notes how often it ran.
func project(t *testing.T, script string) *config.Artifact {
	t.Helper()
	if _, err := os.Stat("/bin/sh"); err != nil {
		t.Skip("there is no sh")
	}
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"mvnw": "#!/bin/sh\necho \"$@\" >> \"$(dirname \"$0\")/ran.log\"\n" + script, "pom.xml": "<project/>",
		"src/main/java/A.java": "class A {}", "src/main/resources/a.txt": "a", "src/main/java/gen/B.java": "class B {}", "README.md": "x",
	} {
		file := filepath.Join(dir, name)
		err := os.MkdirAll(filepath.Dir(file), 0o755)
		if err == nil {
			err = os.WriteFile(file, []byte(text), 0o755)
		}
		if err == nil {
			err = os.Chtimes(file, time.Time{}, time.Now().Add(-time.Hour))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return &config.Artifact{Image: "web", Context: dir, Jib: &config.JibArtifact{}}
}

const answers = `
here="$(cd "$(dirname "$0")" && pwd)"
case "$*" in
*_skaffold-files-v2*)
  echo noise
  echo "BEGIN JIB JSON"
  echo "{\"build\":[\"$here/pom.xml\"],\"inputs\":[\"$here/src/main/java\",\"$here/src/main/resources\"],\"ignore\":[\"$here/src/main/java/gen\"]}" ;;
*_skaffold-sync-map*)
  echo "BEGIN JIB JSON: SYNCMAP/1"
  echo "{\"generated\":[],\"direct\":[{\"src\":\"$here/src/main/resources/a.txt\",\"dest\":\"/app/resources/a.txt\"}]}" ;;
*dockerBuild*) echo "built" ;;
esac
`

func environment() []string { return []string{"PATH=" + os.Getenv("PATH")} }

func TestThePluginSaysWhichFilesCount(t *testing.T) {
	a := project(t, answers)
	b := New(Options{Environ: environment()})
	for range 2 {
		in, err := b.Inputs(t.Context(), a)
		if err != nil {
			t.Fatal(err)
		}
		files, err := in.Files(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for i := range files {
			files[i] = strings.TrimPrefix(files[i], a.Context+"/")
		}
		if diff := cmp.Diff([]string{"pom.xml", "src/main/java/A.java", "src/main/resources/a.txt"}, files); diff != "" {
			t.Errorf("files (-want +got):\n%s", diff)
		}
		if !in.Has(filepath.Join(a.Context, "src/main/java/new/C.java")) || in.Has(filepath.Join(a.Context, "src/main/java/gen/D.java")) {
			t.Error("new files are not judged by their folders")
		}
	}
	ran := func() int {
		data, err := os.ReadFile(filepath.Join(a.Context, "ran.log"))
		if err != nil {
			t.Fatal(err)
		}
		return strings.Count(string(data), "\n")
	}
	if ran() != 1 {
		t.Errorf("Maven ran %d times for the same pom.xml", ran())
	}
	if err := os.WriteFile(filepath.Join(a.Context, "pom.xml"), []byte("<project>changed</project>"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Inputs(t.Context(), a); err != nil || ran() != 2 {
		t.Errorf("Maven ran %d times after pom.xml changed (%v)", ran(), err)
	}
}

func TestABuildGoesThroughTheWrapperAndLearnsWhatIsSynced(t *testing.T) {
	a := project(t, answers)
	auto := true
	a.Sync = &config.Sync{Auto: &auto}
	b := New(Options{Environ: environment(), Engine: fakeEngine{}})
	var said []string
	res, err := b.Build(t.Context(), image.Request{Artifact: a, Ref: "web:1"}, func(l string) { said = append(said, l) })
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(image.Result{Image: "web", Ref: "web:1", ID: "sha256:1", WorkDir: "/app"}, res); diff != "" {
		t.Errorf("result (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"built"}, said); diff != "" {
		t.Errorf("output (-want +got):\n%s", diff)
	}
	to, err := b.Destinations(a, "/app")
	if err != nil || to == nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"/app/resources/a.txt"}, to("src/main/resources/a.txt")); diff != "" {
		t.Errorf("destination (-want +got):\n%s", diff)
	}
	if got := to("src/main/java/A.java"); got != nil {
		t.Errorf("a class that must be compiled is copied to %v", got)
	}
}

func TestWhatFailsIsExplained(t *testing.T) {
	for _, tt := range []struct{ name, script, want string }{
		{"a build", "echo '[ERROR] A.java: no'; exit 1", "mvnw failed: exit code 1"},
		{"a plugin that is too old", "echo \"[ERROR] Could not find goal '_skaffold-fail-if-jib-out-of-date'\"; exit 1", "use version 1.4.0 or later"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := New(Options{Environ: environment(), Engine: fakeEngine{}}).Build(t.Context(), image.Request{Artifact: project(t, tt.script), Ref: "web:1"}, func(string) {})
			if err == nil || diag.Kind(err) != diag.CodeBuild || !strings.Contains(diag.Text(err), tt.want) {
				t.Errorf("error %s", diag.Text(err))
			}
		})
	}
	a := project(t, "echo '[ERROR] no pom'; exit 1")
	if _, err := New(Options{Environ: environment()}).Inputs(t.Context(), a); err == nil || !strings.Contains(err.Error(), "[ERROR] no pom") {
		t.Errorf("error %v", err)
	}
	a = project(t, "echo done")
	if _, err := New(Options{Environ: environment()}).Inputs(t.Context(), a); err == nil || !strings.Contains(err.Error(), "printed no list of files") {
		t.Errorf("error %v", err)
	}
}

func TestAMissingToolIsToldBeforeAnythingRuns(t *testing.T) {
	for _, tt := range []struct{ name, file, kind, want string }{
		{"Maven", "pom.xml", "", "neither mvnw in"},
		{"Gradle", "build.gradle.kts", "", "nor gradle on the PATH"},
		{"what the project file says", "pom.xml", "GRADLE", "nor gradle on the PATH"},
		{"neither", "README.md", "", "neither a project of Maven nor of Gradle"},
		{"a type that is none", "pom.xml", "ant", `jib.type is "ant"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, tt.file), nil, 0o644); err != nil {
				t.Fatal(err)
			}
			err := New(Options{Environ: []string{"PATH=/nowhere"}}).Check(&config.Artifact{Image: "web", Context: dir, Jib: &config.JibArtifact{Type: tt.kind}})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v", err)
			}
		})
	}
}
