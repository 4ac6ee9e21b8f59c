package local

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const volumeData = `apiVersion: v1
kind: ConfigMap
metadata: {name: c}
data: {A: "1", B: "2"}
binaryData: {BIN: AAE=}
---
apiVersion: v1
kind: Secret
metadata: {name: s}
data: {KEY: aGlkZGVu}
stringData: {PLAIN: text}`

// files are those of the only volume that the lines mount at /v.
func files(t *testing.T, volume string) ([]File, []string) {
	t.Helper()
	plan := compose(t, web(), Settings{}, machine([]string{"serve"}, nil), volumeData, deployment(
		"resources: {limits: {cpu: 1500m, memory: 64Mi}}\nvolumeMounts: [{name: v, mountPath: /v}]", "volumes: [{name: v, "+volume+"}]"))
	if len(plan.Units) == 0 {
		return nil, findings(plan)
	}
	return plan.Units[0].Volumes[0].Files, findings(plan)
}

func TestVolumesOfAllKinds(t *testing.T) {
	for _, tt := range []struct {
		name, volume string
		want         []File
		says         string // a finding
	}{
		{"a ConfigMap", "configMap: {name: c, defaultMode: 0400}", []File{{"A", "1", 0o400}, {"B", "2", 0o400}, {"BIN", "\x00\x01", 0o400}}, ""},
		{"items with modes", "configMap: {name: c, items: [{key: A, path: x/a, mode: 0755}, {key: B, path: b}]}", []File{{"x/a", "1", 0o755}, {"b", "2", 0o644}}, ""},
		{"a Secret", "secret: {secretName: s}", []File{{"KEY", "hidden", 0o644}, {"PLAIN", "text", 0o644}}, ""},
		{"an optional ConfigMap that is not there", "configMap: {name: none, optional: true}", nil, ""},
		{"a ConfigMap that is not there", "configMap: {name: none}", nil, `ConfigMap "none" is not in the manifests`},
		{"a key that is not there", "configMap: {name: c, items: [{key: Z, path: z}]}", nil, `ConfigMap "c" has no key "Z"`},
		{"fields of the pod", `downwardAPI: {defaultMode: 0600, items: [{path: name, fieldRef: {fieldPath: metadata.name}},
        {path: labels, fieldRef: {fieldPath: metadata.labels}}, {path: app, fieldRef: {fieldPath: "metadata.labels['app']"}},
        {path: cpu, resourceFieldRef: {containerName: main, resource: limits.cpu, divisor: 1m}},
        {path: mem, resourceFieldRef: {containerName: main, resource: limits.memory, divisor: 1Mi}},
        {path: up, resourceFieldRef: {containerName: main, resource: limits.cpu}}]}`,
			[]File{{"name", "web", 0o600}, {"labels", `app="web"`, 0o600}, {"app", "web", 0o600}, {"cpu", "1500", 0o600}, {"mem", "64", 0o600}, {"up", "2", 0o600}}, ""},
		{"a limit that nobody set", "downwardAPI: {items: [{path: e, resourceFieldRef: {containerName: main, resource: requests.cpu}}]}", nil, "the file e is not there: its field means nothing here"},
		{"several in one", "projected: {defaultMode: 0440, sources: [{configMap: {name: c, items: [{key: A, path: a}]}}, {secret: {name: s, items: [{key: KEY, path: k}]}}, {downwardAPI: {items: [{path: me, fieldRef: {fieldPath: metadata.name}}]}}]}",
			[]File{{"a", "1", 0o440}, {"k", "hidden", 0o440}, {"me", "web", 0o440}}, ""},
		{"a token", "projected: {sources: [{serviceAccountToken: {path: token}}]}", nil, "a token or certificate of the cluster cannot be projected here"},
		{"an emptyDir", "emptyDir: {}", nil, ""},
		{"a disk of a cloud", "nfs: {server: a, path: /b}", nil, "volume v is of a kind that is not supported here; its folder is empty"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, said := files(t, tt.volume)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("files (-want +got):\n%s", diff)
			}
			if tt.says != "" && !slices.Contains(said, tt.says) {
				t.Errorf("findings %q, want %q", said, tt.says)
			}
		})
	}
}

func TestAPartOfAVolume(t *testing.T) {
	plan := compose(t, web(), Settings{}, machine([]string{"serve"}, nil), volumeData, deployment(
		"args: [serve, /etc/one, /etc/more/x]\nvolumeMounts: [{name: v, mountPath: /etc/one, subPath: A}, {name: v, mountPath: /etc/more, subPathExpr: $(X)}]", "volumes: [{name: v, configMap: {name: c}}]"))
	if diff := cmp.Diff([]string{"serve", "/state/volumes/default.web/v/A", "/state/volumes/default.web/v/x"}, only(t, plan).Args); diff != "" {
		t.Errorf("args (-want +got):\n%s", diff)
	}
	if want := "subPathExpr $(X) is not followed: /etc/more is the whole volume"; !slices.Contains(findings(plan), want) {
		t.Errorf("findings %q, want %q", findings(plan), want)
	}
}

func TestEnvironmentsOfOtherObjects(t *testing.T) {
	plan := compose(t, web(), Settings{}, machine([]string{"serve"}, nil), volumeData, deployment(`envFrom: [{prefix: C_, configMapRef: {name: c}}, {secretRef: {name: none, optional: true}}]
env: [{name: OPT, valueFrom: {configMapKeyRef: {name: c, key: none, optional: true}}}, {name: K, valueFrom: {secretKeyRef: {name: s, key: KEY}}}, {name: NS, valueFrom: {fieldRef: {fieldPath: metadata.namespace}}}]`))
	env := only(t, plan).Env
	for _, want := range []string{"C_A=1", "C_B=2", "K=hidden", "NS=default"} {
		if !slices.Contains(env, want) {
			t.Errorf("no %s in %q", want, env)
		}
	}
	if slices.ContainsFunc(env, func(kv string) bool { return strings.HasPrefix(kv, "OPT=") }) {
		t.Errorf("an optional key is set: %q", env)
	}
}
