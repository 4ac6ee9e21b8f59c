//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"io"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

func TestARunDeploysOnceAndTheNextOneChangesNothing(t *testing.T) {
	t.Parallel()
	p := box(t)
	p.write("k8s/settings.yaml", settings)
	p.commit("settings")
	p.must("run")
	pod := p.pod("web")
	p.equal(pod.Name, "files", "/srv/files")
	version := p.versions()

	again := p.must("run")
	p.same(pod)
	if diff := cmp.Diff(version, p.versions()); diff != "" {
		t.Errorf("the second run touched objects (-before +after):\n%s", diff)
	}
	for _, name := range []string{"Deployment/web", "ConfigMap/settings"} {
		if !regexp.MustCompile(name + `.* unchanged`).MatchString(again.stdout) {
			t.Errorf("the second run does not say that %s is unchanged", name)
		}
	}
}

// versions is what changes with every write to the project's objects.
func (p *project) versions() map[string]string {
	p.Helper()
	ctx, c := p.Context(), world.cluster.client
	web, err := c.AppsV1().Deployments(p.namespace).Get(ctx, "web", metav1.GetOptions{})
	if err != nil {
		p.Fatal(err)
	}
	maps, err := c.CoreV1().ConfigMaps(p.namespace).Get(ctx, "settings", metav1.GetOptions{})
	if err != nil {
		p.Fatal(err)
	}
	// The status of a Deployment has versions of its own; what is wanted of it is counted by the generation.
	return map[string]string{"web": string(rune('0' + web.Generation)), "settings": maps.ResourceVersion}
}

func TestARunWhoseContainerCrashesEndsWithAnErrorAndItsLastWords(t *testing.T) {
	t.Parallel()
	p := box(t)
	sane, _, _ := strings.Cut(p.read("Dockerfile"), "CMD")
	p.write("Dockerfile", sane+`CMD ["sh", "-c", "echo last words; exit 7"]`+"\n")
	r := p.skiff("run")
	if r.code != 1 {
		t.Errorf("the exit code is %d", r.code)
	}
	if !strings.HasPrefix(r.stderr, "error: ") {
		t.Error("standard error does not begin with the error")
	}
	for _, want := range []string{"Deployment/web", "7", "last words"} {
		if !strings.Contains(r.stdout+r.stderr, want) {
			t.Errorf("the output does not name %q", want)
		}
	}
}

func TestARunWithATailShowsTheLogUntilCtrlC(t *testing.T) {
	t.Parallel()
	p := box(t)
	s := p.start("run", "--tail")
	s.matches(0, `^\[web\] up`)
	s.interrupt()
	p.pod("web") // run leaves what it deployed
}

func TestABuildCanBeDeployedLater(t *testing.T) {
	t.Parallel()
	p := box(t)
	var built struct {
		Builds []struct{ ImageName, Tag string }
	}
	t.Run("build -q prints the images and nothing else", func(t *testing.T) {
		quiet := p.sub(t).must("build", "-q")
		if err := json.Unmarshal([]byte(quiet.stdout), &built); err != nil || len(built.Builds) != 1 || built.Builds[0].ImageName != "box" {
			t.Fatalf("the output is not the result (%v): %s", err, quiet.stdout)
		}
	})
	ref := built.Builds[0].Tag
	t.Run("its template gets the same", func(t *testing.T) {
		named := p.sub(t).must("build", "-q", "--output={{range .Builds}}{{.ImageName}} is {{.Tag}}{{end}}")
		if want := "box is " + ref; named.stdout != want {
			t.Errorf("the output is %q, want %q", named.stdout, want)
		}
	})
	t.Run("the registry has it, and no cluster has seen it", func(t *testing.T) {
		needRegistry(t)
		name, tag := splitRef(strings.TrimPrefix(ref, world.cluster.registry+"/"))
		digest, err := world.cluster.digest(t.Context(), name, tag)
		if err != nil || !strings.HasSuffix(ref, "@"+digest) {
			t.Errorf("the registry names %s (%v) for %s", digest, err, ref)
		}
		if left := p.sub(t).objects(); len(left) > 0 {
			t.Errorf("%v is in the namespace", left)
		}
	})
	t.Run("deploy -a takes the file that build --file-output writes", func(t *testing.T) {
		p := p.sub(t)
		p.must("build", "--file-output=out/../build.json")
		p.must("deploy", "-a", "build.json")
		if got := p.pod("web").Spec.Containers[0].Image; got != ref {
			t.Errorf("the pod has the image %s, want %s", got, ref)
		}
	})
	t.Run("deploy -a - reads it from standard input", func(t *testing.T) {
		p, before := p.sub(t), p.pod("web")
		data := p.read("build.json")
		p.finish(func(ctx context.Context) *exec.Cmd {
			cmd := p.command(ctx, "deploy", "-a", "-")
			cmd.Stdin = strings.NewReader(data)
			return cmd
		})
		p.same(before)
	})
	t.Run("deploy without images says what to do", func(t *testing.T) {
		r := p.sub(t).skiff("deploy")
		if r.code != 1 || !strings.Contains(r.stderr, "hint: ") {
			t.Errorf("the exit code is %d, and there is no hint", r.code)
		}
	})
}

func TestRenderPrintsPureYAMLWithTheImageAndTouchesNothing(t *testing.T) {
	t.Parallel()
	p := box(t)
	p.write("k8s/settings.yaml", settings)
	for _, args := range [][]string{{"render"}, {"render", "--digest-source=local"}} {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			p := p.sub(t)
			var names []string
			for _, o := range documents(t, p.must(args...).stdout) {
				names = append(names, o.GetKind()+"/"+o.GetName())
				if containers, found, _ := unstructured.NestedSlice(o.Object, "spec", "template", "spec", "containers"); found {
					image := containers[0].(map[string]any)["image"].(string)
					if want := "/box:" + p.git("describe", "--tags", "--always"); !strings.Contains(image, want) {
						t.Errorf("the image is %s and does not hold %s", image, want)
					}
				}
			}
			slices.Sort(names)
			if diff := cmp.Diff([]string{"ConfigMap/settings", "Deployment/web"}, names); diff != "" {
				t.Errorf("what is rendered (-want +got):\n%s", diff)
			}
		})
	}
	if left := p.objects(); len(left) > 0 {
		t.Errorf("%v is in the namespace", left)
	}
	t.Run("render --output writes the same to a file", func(t *testing.T) {
		p := p.sub(t)
		// The file is part of no image, so the tag stays.
		printed := p.must("render").stdout
		file := filepath.Join(t.TempDir(), "all.yaml")
		if r := p.must("render", "--output="+file); r.stdout != "" {
			t.Errorf("standard output has %q", r.stdout)
		}
		q := p.sub(t)
		q.dir = filepath.Dir(file)
		if diff := cmp.Diff(printed, q.read("all.yaml")); diff != "" {
			t.Errorf("the file (-printed +written):\n%s", diff)
		}
	})
}

// documents is the objects of a YAML stream, which has to hold nothing else.
func documents(t *testing.T, text string) []unstructured.Unstructured {
	t.Helper()
	var all []unstructured.Unstructured
	for _, document := range strings.Split(text, "\n---\n") {
		var o unstructured.Unstructured
		if err := yaml.UnmarshalStrict([]byte(document), &o.Object); err != nil || o.GetKind() == "" {
			t.Fatalf("not an object (%v):\n%s", err, document)
		}
		all = append(all, o)
	}
	return all
}

func TestDeleteTakesAwayWhatTheProjectDeployedAndNothingElse(t *testing.T) {
	t.Parallel()
	p := box(t)
	p.write("k8s/settings.yaml", settings)
	p.write("k8s/foreign.yaml", strings.ReplaceAll(settings, "name: settings", "name: foreign"))
	p.must("run")
	p.remove("k8s/foreign.yaml")
	foreign := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "bystander"}}
	if _, err := world.cluster.client.CoreV1().ConfigMaps(p.namespace).Create(t.Context(), foreign, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	before := p.objects()
	p.must("delete", "--dry-run")
	if diff := cmp.Diff(before, p.objects()); diff != "" {
		t.Errorf("a dry run deletes (-before +after):\n%s", diff)
	}
	p.must("delete")
	p.left("configmap/bystander")
	p.must("delete") // once more is no error
}

func TestDiagnosePrintsTheProjectAsItIsUnderstood(t *testing.T) {
	t.Parallel()
	p := flask(t)
	p.flags = nil // it asks no cluster
	r := p.must("diagnose", "--yaml-only")
	var got struct {
		APIVersion, Kind string
		Build            struct {
			Artifacts []struct {
				Image string
				Sync  struct{ Manual []struct{ Src, Dest string } }
			}
		}
		Manifests struct{ RawYaml []string }
	}
	if err := yaml.Unmarshal([]byte(r.stdout), &got); err != nil {
		t.Fatal(err)
	}
	switch {
	case !strings.HasPrefix(got.APIVersion, "skaffold/v4"), got.Kind != "Config", len(got.Build.Artifacts) != 1,
		got.Build.Artifacts[0].Image != "python-flask", len(got.Build.Artifacts[0].Sync.Manual) != 1,
		got.Build.Artifacts[0].Sync.Manual[0].Src != "*.py", len(got.Manifests.RawYaml) != 1:
		t.Errorf("the project is understood as %+v", got)
	}

	// What it prints is itself a project file that means the same.
	p.write("skaffold.yaml", r.stdout)
	if again := p.must("diagnose", "--yaml-only"); again.stdout != r.stdout {
		t.Errorf("the upgraded file (-first +again):\n%s", cmp.Diff(r.stdout, again.stdout))
	}
}

func TestImagesListsWhatRuns(t *testing.T) {
	t.Parallel()
	p := box(t)
	p.write("k8s/more.yaml", `apiVersion: v1
kind: Pod
metadata:
  name: more
spec:
  terminationGracePeriodSeconds: 0
  initContainers:
  - name: first
    image: alpine
    command: ["true"]
  containers:
  - name: main
    image: busybox
    command: [sleep, "100000"]
`)
	p.must("run")
	want := []string{"alpine", "busybox", p.pod("web").Spec.Containers[0].Image}

	t.Run("of one namespace, a line each", func(t *testing.T) {
		if diff := cmp.Diff(want, strings.Fields(p.sub(t).must("images").stdout)); diff != "" {
			t.Errorf("images (-want +got):\n%s", diff)
		}
	})
	t.Run("of all namespaces, as JSON", func(t *testing.T) {
		var got struct{ Images []string }
		if err := json.Unmarshal([]byte(p.sub(t).must("images", "-A", "-o", "json").stdout), &got); err != nil {
			t.Fatal(err)
		}
		for _, image := range want {
			if !slices.Contains(got.Images, image) {
				t.Errorf("%s is not in %v", image, got.Images)
			}
		}
		if !slices.IsSorted(got.Images) || len(slices.Compact(slices.Clone(got.Images))) != len(got.Images) {
			t.Errorf("not sorted, or not each once: %v", got.Images)
		}
	})
}

func TestAWrongCommandLineEndsWith127AndABrokenProjectWith1(t *testing.T) {
	t.Parallel()
	p := box(t)
	for _, tt := range []struct {
		name string
		args []string
		code int
		want string
	}{
		{"an unknown command", []string{"rum"}, 127, `did you mean "run"`},
		{"an unknown flag", []string{"run", "--nonsense"}, 127, "nonsense"},
		{"a value that means nothing", []string{"dev", "--trigger=sometimes"}, 127, "sometimes"},
		{"a project file that is not there", []string{"run", "-f", "elsewhere.yaml"}, 1, "elsewhere.yaml"},
		{"a context that is not there", []string{"run", "--kube-context=nowhere"}, 1, "nowhere"},
		{"a namespace that is not there", []string{"run", "--namespace=skiff-e2e-nowhere"}, 1, "skiff-e2e-nowhere"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := p.sub(t)
			if tt.args[0] == "rum" || len(tt.args) > 1 && strings.HasPrefix(tt.args[1], "--namespace") {
				p.flags = nil
			}
			r := p.skiff(tt.args...)
			if r.code != tt.code || !strings.Contains(r.stderr, tt.want) || !strings.HasPrefix(r.stderr, "error: ") {
				t.Errorf("it ended with %d (want %d) and says %q (want %q)", r.code, tt.code, r.stderr, tt.want)
			}
		})
	}
}

func TestVersionAndCompletionNeedNoClusterAndNoProject(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"version"}, {"completion", "bash"}, {"completion", "zsh"}, {"--help"}, {"dev", "--help"}} {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), world.skiff, args...)
			cmd.Dir = t.TempDir()
			cmd.Env = []string{"HOME=" + cmd.Dir, "KUBECONFIG=/nowhere"}
			out, err := cmd.Output()
			if err != nil || len(out) == 0 {
				t.Errorf("%v, %d bytes", err, len(out))
			}
		})
	}
}

func TestAProjectFileFromStandardInputIsRun(t *testing.T) {
	t.Parallel()
	p := box(t)
	text := p.read("skaffold.yaml")
	p.remove("skaffold.yaml")
	r := p.finish(func(ctx context.Context) *exec.Cmd {
		cmd := p.command(ctx, "run", "-f", "-")
		cmd.Stdin = io.MultiReader(strings.NewReader(text))
		return cmd
	})
	if r.code != 0 {
		t.Fatalf("it ended with %d", r.code)
	}
	p.pod("web")
}
