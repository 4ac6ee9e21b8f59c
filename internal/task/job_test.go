package task

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/skiff-dev/skiff/internal/config"
	"github.com/skiff-dev/skiff/internal/diag"
)

const jobFile = `apiVersion: batch/v1
kind: Job
metadata: {name: theirs, labels: {team: a}}
spec:
  backoffLimit: 2
  template:
    spec:
      restartPolicy: OnFailure
      serviceAccountName: tester
      containers:
      - {name: side, image: side}
      - name: check
        image: old
        command: [old]
        resources: {limits: {memory: 1Gi}}
        env: [{name: OLD, value: "1"}]
`

func TestTheJobOfAContainer(t *testing.T) {
	for _, tt := range []struct {
		name, path, overrides string
		want, fault           string
	}{
		{"a plain one", "", "", `
metadata: {creationTimestamp: null, labels: {skaffold.dev/run-id: run}, name: test, namespace: ns}
spec:
  backoffLimit: 0
  template:
    metadata: {creationTimestamp: null, labels: {skaffold.dev/run-id: run}}
    spec: {restartPolicy: Never, containers: [{name: check, image: "app:1", args: [a], env: [{name: FOO, value: bar}, {name: FILE, value: x=y}], resources: {}}]}
`, ""},
		{"the project's own, with the container's settings put in", "job.yaml", "", `
metadata: {creationTimestamp: null, labels: {skaffold.dev/run-id: run, team: a}, name: test, namespace: ns}
spec:
  backoffLimit: 2
  template:
    metadata: {creationTimestamp: null, labels: {skaffold.dev/run-id: run}}
    spec: {restartPolicy: Never, serviceAccountName: tester, containers: [{name: check, image: "app:1", args: [a], env: [{name: OLD, value: "1"}, {name: FOO, value: bar}, {name: FILE, value: x=y}], resources: {limits: {memory: 1Gi}}}]}
`, ""},
		{"with overrides", "", `{"spec": {"backoffLimit": null, "template": {"spec": {"serviceAccountName": "sa"}}}}`, `
metadata: {creationTimestamp: null, labels: {skaffold.dev/run-id: run}, name: test, namespace: ns}
spec:
  template:
    metadata: {creationTimestamp: null, labels: {skaffold.dev/run-id: run}}
    spec: {restartPolicy: Never, serviceAccountName: sa, containers: [{name: check, image: "app:1", args: [a], env: [{name: FOO, value: bar}, {name: FILE, value: x=y}], resources: {}}]}
`, ""},
		{"overrides that are no JSON", "", `spec: {}`, "", "skaffold.yaml:5: overrides of"},
		{"overrides of a field that a Job has not", "", `{"spec": {"replicas": 2}}`, "", `unknown field "spec.replicas"`},
		{"a file that is not there", "none.yaml", "", "", "no such file"},
		{"a file without a Job", "pod.yaml", "", "", "no batch/v1 Job"},
		{"a Job without the container", "other.yaml", "", "", `no container "check"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := &Runner{RunID: "run", Dir: t.TempDir(), EnvFile: []string{"FILE=x=y"}}
			for name, text := range map[string]string{"job.yaml": jobFile, "pod.yaml": "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\n", "other.yaml": strings.ReplaceAll(jobFile, "check", "x")} {
				if err := os.WriteFile(filepath.Join(r.Dir, name), []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			c := container{job: "test", pos: diag.Pos{File: "skaffold.yaml", Line: 5},
				spec: &config.VerifyContainer{Name: "check", Image: "app", Args: []string{"a"}, Env: []*config.EnvVar{{Name: "FOO", Value: "bar"}}},
				mode: config.ExecutionMode{KubernetesCluster: &config.ClusterMode{JobManifestPath: tt.path, Overrides: tt.overrides}}}
			job, err := r.manifest(c, "ns", "app:1")
			if tt.fault != "" {
				if err == nil || !strings.Contains(err.Error(), tt.fault) {
					t.Errorf("got %v, want %s", err, tt.fault)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(fields(t, "apiVersion: batch/v1\nkind: Job\nstatus: {}\n"+tt.want), fields(t, job)); diff != "" {
				t.Errorf("Job (-want +got):\n%s", diff)
			}
		})
	}
}

func fields(t *testing.T, v any) map[string]any {
	t.Helper()
	text, isText := v.(string)
	if !isText {
		data, err := yaml.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		text = string(data)
	}
	out := map[string]any{}
	if err := yaml.Unmarshal([]byte(strings.ReplaceAll(text, "creationTimestamp: null, ", "")), &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestWhatThereIsNothingToRunOf(t *testing.T) {
	r, _ := runner(t)
	if err := r.Verify(t.Context(), load(t, head)); err == nil || !strings.Contains(err.Error(), "no verify tests") {
		t.Errorf("no verify tests: %v", err)
	}
	p := load(t, head+"customActions: [{name: a, containers: [{name: x, image: i}]}]\n")
	if err := r.Exec(t.Context(), p, "b"); err == nil || !strings.Contains(err.Error(), `no custom action "b"`) {
		t.Errorf("an unknown action: %v", err)
	}
}
