package config

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// ruleCase is a file that breaks one rule. Text without an apiVersion gets the latest one; "old: " files have their own.
type ruleCase struct {
	text    string
	options func(*Options)
	want    string // part of the first message that has it
	fine    bool   // the file must load: Skaffold takes it too, or the rule is lifted on purpose
}

func command(name string) func(*Options) { return func(o *Options) { o.Command = name } }

const art = "build: {artifacts: [{image: web, "

// ruleCases breaks every rule of the list that loading a project can know, by the rule's number.
func ruleCases() map[string][]ruleCase {
	project := func(text string, want string) []ruleCase { return []ruleCase{{text: text, want: want}} }
	twice := func(block string) string {
		return block + "\n---\napiVersion: skaffold/v4beta14\nkind: Config\n" + block
	}
	verify := "verify: [{name: t, container: {name: %, image: b}}]"
	return map[string][]ruleCase{
		"L1": {{options: func(o *Options) { o.File, o.Dir = "", "/nowhere" }, want: "skaffold.yaml does not exist"}, {options: func(o *Options) { o.File = "/nowhere/x.yaml" }, want: "x.yaml"}},
		"L2": {{options: func(o *Options) { o.File = os.TempDir() }, want: "folder"}},
		"L3": project("old: {}", "apiVersion is missing"),
		"L4": {
			{text: "a: [", want: "the YAML cannot be read here"}, {text: "build: {local: {push: true, push: false}}", want: `key "push" is written twice`},
			{text: "old: - a", want: "must be a mapping, not a list"},
		},
		"L5":  {{text: "---\napiVersion: skaffold/v9\n", want: `apiVersion "skaffold/v9" is not known`}, {text: "---\nkind: Config\n", want: "apiVersion is missing"}},
		"L6":  {{options: func(o *Options) { o.Stdin = strings.NewReader("# apiVersion\n") }, want: "nothing but comments"}},
		"L7":  {{text: "buidl: {}\nbuild: {local: {push: 3}}", want: "build.local.push must be true or false"}, {text: "buidl: {}", want: `unknown field "buidl"`}},
		"L8":  {{text: "build: {cluster: {zz: 1}, artifacts: [{image: a, kaniko: {zz: 1}}]}", fine: true}},
		"L12": {{options: func(o *Options) { o.Stdin = strings.NewReader("# apiVersion: x\n---\n") }, want: "document"}},
		"S1":  project("build: {artifacts: [{image: web}, {image: web}]}", `image "web" is built twice`),
		"S2":  project("build: {artifacts: [{image: 'we b'}]}", "is not an image name"),
		"S3":  project("build: {artifacts: [{image: 'web:1'}]}", "has a tag"),
		"S4":  project("build: {artifacts: [{image: 'web@sha256:aa'}]}", "has a digest"),
		"S5":  project("build: {artifacts: [{context: a}]}", "has no image"),
		"S6":  project(art+"docker: {}, jib: {}}]}", "can have only one of docker and jib"),
		"S7":  project(art+"docker: {network: 'container:{{.X'}}]}", "stdin:3:"),
		"S8":  {{text: art + "docker: {network: 'Container:-x'}}]}", want: "names no container"}, {text: art + "docker: {network: none-such}}]}", fine: true}},
		"S9":  project(art+"custom: {dependencies: {command: a, ignore: [b]}}}]}", `"ignore" works only with "paths"`),
		"S10": project(art+"sync: {manual: [{src: a/b, dest: c, strip: x}]}}]}", "does not begin with"),
		"S11": {
			{text: "portForward: [{resourceType: pods, port: 1}]", want: "cannot be forwarded"}, {text: "portForward: [{port: 1}]", want: "needs a resourceType"},
			{text: "portForward: [{resourceType: StatefulSet, port: 1}]", fine: true},
		},
		"S12": {{text: art + "jib: {type: ant}}]}", want: `jib type "ant"`}, {text: art + "jib: {type: Maven}}]}", fine: true}},
		"S13": project(art+"ko: {main: ./...}, sync: {infer: [kodata/a]}}]}", `"..." in ko.main`),
		"S14": {{text: art + "ko: {}, sync: {infer: [a]}}]}", want: "below kodata"}, {text: art + "ko: {}, sync: {}}]}", want: "below kodata"}},
		"S15": project("deploy: {logs: {prefix: Pod}}", `log prefix "Pod"`),
		"S16": project(art+"kaniko: {}}]}", "kaniko builds in a cluster"),
		"S17": {
			{text: "build: {googleCloudBuild: {}, artifacts: [{image: a, bazel: {target: x}}]}", want: "cannot build a bazel artifact"},
			{text: "build: {googleCloudBuild: {}, artifacts: [{image: a, custom: {}}]}", want: "cannot build a custom artifact"},
			{text: "build: {googleCloudBuild: {}, artifacts: [{image: a, ko: {}}, {image: b, jib: {}}, {image: c, buildpacks: {}}]}", fine: true},
		},
		"S18": {
			{text: "build: {cluster: {}, artifacts: [{image: a, buildpacks: {}}]}", want: "cannot build a buildpacks artifact"},
			{text: "build: {cluster: {}, artifacts: [{image: a, docker: {}}]}", want: "build.cluster builds with kaniko"},
			{text: "build: {cluster: {}, artifacts: [{image: a, jib: {}}]}", want: "build.cluster builds with kaniko"},
			{text: "build: {cluster: {}, artifacts: [{image: a, custom: {}}]}", fine: true},
		},
		"S19": project("build: {local: {tryImportMissing: true}, tagPolicy: {sha256: {}}}", "tryImportMissing"),
		"S20": project("test: [{image: a, custom: [{command: ''}]}]", "has no command"),
		"S21": project("test: [{image: a, custom: [{command: x, dependencies: {command: a, paths: [b]}}]}]", "can have only one of command and paths"),
		"S22": project("test: [{image: a, custom: [{command: x, dependencies: {ignore: [b]}}]}]", `works only with "paths"`),
		"S23": project("build: {googleCloudBuild: {workerPool: x}}", "names no worker pool"),
		"S24": project("build: {artifacts: [{image: a}, {image: b, requires: [{image: a, alias: A}, {image: a, alias: A}]}]}", `alias "A" twice`),
		"S25": project("build: {artifacts: [{image: a, requires: [{image: b}]}, {image: b, requires: [{image: a}]}]}", "needs itself"),
		"S26": project(art+"requires: [{image: b}]}]}", `needs "b", which is not there`),
		"S27": {
			{text: "build: {artifacts: [{image: a/b}, {image: c, requires: [{image: a/b}]}]}", want: "is no variable name"},
			{text: "build: {artifacts: [{image: a/b}, {image: c, jib: {}, requires: [{image: a/b}]}]}", fine: true},
		},
		"S28": {
			{text: "manifests: {rawYaml: [x/y.yaml]}", options: command("deploy"), want: "no manifest matches"},
			{text: "manifests: {rawYaml: [x/y.yaml]}", options: command("build"), fine: true}, {text: "manifests: {rawYaml: ['k8s/*.yaml']}", options: command("dev"), fine: true},
			{text: "manifests: {rawYaml: ['https://a/b.yaml', 'gs://a/b', '{{.X}}/a']}", options: command("dev"), fine: true},
		},
		"S29": {{text: "manifests: {rawYaml: ['x[']}", options: command("dev"), want: "cannot be read"}},
		"C1":  project("metadata: {name: a}\n"+twice("metadata: {name: a}"), `two configs of this file are named "a"`),
		"C3":  project("requires: [{path: nowhere}]", "nowhere"),
		"C6": {{text: "requires: [{git: {repo: r}}]", options: func(o *Options) {
			o.Fetch = func(context.Context, *GitSource) (string, error) { return "", errors.New("not cached") }
		}, want: "not cached"}},
		"C7":  {{text: "requires: [{googleCloudStorage: {source: 'gs://a'}}]", want: "not supported"}, {text: "requires: [{googleCloudBuildRepoV2: {projectID: a, region: b, connection: c, repo: d}}]", want: "not supported"}},
		"C8":  project("profiles: [{name: p, activation: [{env: X}]}]", "needs NAME=VALUE"),
		"C10": {{text: "deploy: {kubeContext: prod}\nprofiles: [{name: p, activation: [{kubeContext: dev}]}]", options: func(o *Options) { o.KubeContext = func() string { return "dev" } }, want: `deploy.kubeContext is "prod"`}},
		"C11": {{text: "profiles: [{name: p, patches: [{path: /a/b, value: 1}]}]", options: func(o *Options) { o.Profiles = []string{"p"} }, want: `patch replace "/a/b" of profile "p"`}},
		"C12": {{text: "build: {local: {push: true}}\nprofiles: [{name: p, patches: [{path: /build/local/push, value: no idea}]}]", options: func(o *Options) { o.Profiles = []string{"p"} }, want: "must be true or false"}},
		"C14": {{options: func(o *Options) { o.Profiles = []string{"zz"} }, want: `no profile "zz"`}},
		"C15": {{options: func(o *Options) { o.Modules = []string{"zz"} }, want: `"zz"`}},
		"C17": project("portForward: [~]", "portForward[0] is empty"),
		"C18": {
			{text: "deploy: {helm: {releases: [{name: a}, {name: a}]}}", want: `helm release "a" is defined twice`},
			{text: "deploy: {helm: {releases: [{name: a, dependsOn: [c]}, {name: b}]}}", want: `needs "c"`},
			{text: "deploy: {helm: {releases: [{name: a, dependsOn: [b]}, {name: b, dependsOn: [a]}]}}", want: "needs itself"},
			{text: "manifests: {helm: {releases: [{name: a}, {name: a, dependsOn: [c]}]}}", fine: true},
		},
		"R6":  {{options: command("verify"), want: "no verify tests"}},
		"R7":  {{text: twice(strings.Replace(verify, "%", "a", 1)), want: `verify test "t" is defined twice`}, {text: twice(strings.Replace(verify, "%", "a", 1)), want: `verify container "a" is defined twice`}},
		"R8":  {{text: "deploy: {cloudrun: {}}", options: command("run"), want: "has no region"}, {text: "deploy: {cloudrun: {}}", options: command("build"), fine: true}},
		"R9":  project("customActions: [{name: a}]", "has no containers"),
		"R10": {{text: "customActions: [{name: a, containers: [{name: c, image: i}]}, {name: a, containers: [{name: c, image: i}]}]", want: `custom action "a" is defined twice`}, {text: "customActions: [{name: a, containers: [{name: c, image: i}, {name: c, image: i}]}]", want: `container "c" is defined twice`}},
		"R11": project("customActions: [{name: a, containers: [{name: c, image: i}], executionMode: {local: {}, kubernetesCluster: {}}}]", "two execution modes"),
	}
}

// ruleHomes is where the rules live that loading one file cannot show here, each with its reason.
func ruleHomes() map[string]string {
	homes := map[string]string{
		"L9": "fix: testdata/fix/newer_than_target", "L10": "fix: testdata/fix/unknown_target", "L11": "upgrades: testdata/faults/acr and old_deployers",
		"L13": "fix: a script of cli", "C2": "TestANameOfTwoFilesIsRefused", "C4": "TestAFolderThatCannotBeReadIsRefused", "C5": "cli's remote_test: git itself",
		"C9": "kube: reads the kubeconfig", "C13": "TestOneConfigWithTwoSetsOfProfilesIsRefused", "C16": "L12: a file without documents is told as that",
		"C19": "kube: reads the kubeconfig", "C20": "cannot happen", "R1": "kube", "R2": "settings", "R3": "engine: asked only where an image is built",
		"R4": "image/docker: the engine answers", "R5": "image/docker: the engine answers",
	}
	return homes
}

// TestEveryRuleHasACase reads the numbers of the rules, and breaks each. U rules are about use: the rooms that build, render
// and deploy have them.
func TestEveryRuleHasACase(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(facts(t), "validation.md"))
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^\| ([LSCR][0-9]+) \|`).FindAllStringSubmatch(string(data), -1) {
		id := m[1]
		listed[id] = true
		if len(ruleCases()[id]) == 0 && ruleHomes()[id] == "" {
			t.Errorf("rule %s has no case, and no other room", id)
		}
	}
	if len(listed) < 70 {
		t.Errorf("only %d rules are listed", len(listed))
	}
	for id := range ruleCases() {
		if !listed[id] {
			t.Errorf("%s is no rule", id)
		}
	}
	t.Logf("%d rules: %d with cases here, %d elsewhere", len(listed), len(ruleCases()), len(ruleHomes()))
}

func TestBrokenRulesAreTold(t *testing.T) {
	for id, cases := range ruleCases() {
		for _, tt := range cases {
			text := "apiVersion: skaffold/v4beta14\nkind: Config\n" + tt.text
			if old, ok := strings.CutPrefix(tt.text, "old: "); ok {
				text = old
			}
			o := Options{File: "-", Dir: "/p", Stdin: strings.NewReader(text), Command: "build", ProfileAutoActivation: true}
			if tt.options != nil {
				tt.options(&o)
			}
			switch _, err := Load(context.Background(), o); {
			case tt.fine && err != nil:
				t.Errorf("%s: %s\nis refused: %v", id, tt.text, err)
			case !tt.fine && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("%s: %s\ngives %v, want %q", id, tt.text, err, tt.want)
			}
		}
	}
}

// projectOf writes files, and loads the skaffold.yaml among them.
func projectOf(t *testing.T, files map[string]string) (*Project, error) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("apiVersion: skaffold/v4beta14\nkind: Config\n"+text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return Load(context.Background(), Options{Dir: dir, Command: "build", ProfileAutoActivation: true})
}

func TestANameOfTwoFilesIsRefused(t *testing.T) {
	_, err := projectOf(t, map[string]string{"skaffold.yaml": "metadata: {name: a}\nrequires: [{path: b}]\n", "b/skaffold.yaml": "metadata: {name: a}\n"})
	if err == nil || !strings.Contains(err.Error(), `"a"`) {
		t.Errorf("got %v", err)
	}
}

func TestAFolderThatCannotBeReadIsRefused(t *testing.T) {
	_, err := projectOf(t, map[string]string{"skaffold.yaml": "requires: [{path: b/c.yaml}]\n", "b/c.yaml/x": ""})
	if err == nil || !strings.Contains(err.Error(), "c.yaml") {
		t.Errorf("got %v", err)
	}
}

func TestOneConfigWithTwoSetsOfProfilesIsRefused(t *testing.T) {
	_, err := projectOf(t, map[string]string{
		"skaffold.yaml":   "requires: [{path: a}, {path: b}]\n",
		"a/skaffold.yaml": "requires: [{path: ../c, activeProfiles: [{name: p}]}]\n",
		"b/skaffold.yaml": "requires: [{path: ../c}]\n",
		"c/skaffold.yaml": "metadata: {name: c}\nprofiles: [{name: p}]\n",
	})
	if err == nil || !strings.Contains(err.Error(), "profiles") {
		t.Errorf("got %v", err)
	}
}
