package local

import (
	"errors"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/skiff-dev/skiff/internal/kube"
	"github.com/skiff-dev/skiff/internal/proc"
)

// machine is a host with these programs, folders and files.
func machine(programs []string, files map[string]string) Host {
	isDir := func(path string) bool {
		return slices.ContainsFunc(slices.Collect(maps.Keys(files)), func(f string) bool { return strings.HasPrefix(f, path+"/") })
	}
	return Host{
		OS: "linux", Arch: "amd64", Name: "box", Env: []string{"HOME=/home/ann", "PATH=/usr/bin"},
		IsDir:  isDir,
		Exists: func(path string) bool { _, ok := files[path]; return ok || isDir(path) },
		Read: func(path string) ([]byte, error) {
			if text, ok := files[path]; ok {
				return []byte(text), nil
			}
			return nil, fs.ErrNotExist
		},
		Look: func(name, _ string, _ []string) (string, error) {
			if slices.Contains(programs, name) {
				return "/usr/bin/" + filepath.Base(name), nil
			}
			return "", errors.New("not there")
		},
		Free:  func(int) bool { return true },
		Hosts: true, Loopbacks: true,
	}
}

// deployment is a Deployment named web whose one container is made of the lines.
func deployment(container string, more ...string) string {
	return `apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      ` + strings.Join(more, "\n      ") + `
      containers:
      - name: main
        image: web
        ` + strings.ReplaceAll(strings.TrimSpace(container), "\n", "\n        ")
}

func objects(t *testing.T, text ...string) []*kube.Object {
	t.Helper()
	all, err := kube.ReadObjects("k8s.yaml", []byte(strings.Join(text, "\n---\n")))
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// web is an image that runs "serve" in /app, which is the whole context.
func web() Image {
	return Image{Name: "web", Context: "/src", Dir: "/app", Env: []string{"MODE=prod"}, Cmd: []string{"serve", "--dir=/app/www"}, Copies: []Copy{{Dest: "/app", Dir: true}}}
}

func compose(t *testing.T, img Image, s Settings, h Host, text ...string) Plan {
	t.Helper()
	return Compose(Input{Images: map[string]Image{img.Name: img}, Objects: objects(t, text...), State: "/state", Host: h, Settings: s})
}

// findings are the plan's, as text.
func findings(p Plan) []string {
	var all []string
	for _, f := range p.Findings {
		all = append(all, f.Text)
	}
	return all
}

func only(t *testing.T, p Plan) Process {
	t.Helper()
	if len(p.Units) != 1 || len(p.Units[0].Processes) != 1 {
		t.Fatalf("units %+v, findings %v", p.Units, findings(p))
	}
	return p.Units[0].Processes[0]
}

func TestTheCommandIsTheManifestsOverTheDockerfiles(t *testing.T) {
	for _, tt := range []struct {
		name, container string
		image           func(*Image)
		want            []string
		dir             string
	}{
		{"the Dockerfile's, with its paths as they are here", "", nil, []string{"serve", "--dir=/src/www"}, "/src"},
		{"args replace CMD", "args: [a, b]", func(i *Image) { i.Entrypoint = []string{"serve"} }, []string{"serve", "a", "b"}, "/src"},
		{"command replaces both", "command: [sh, -c]\nargs: ['cat /app/x /etc/passwd']", nil, []string{"sh", "-c", "cat /src/x /etc/passwd"}, "/src"},
		{"variables are put in", "env: [{name: WHO, value: ann}]\ncommand: [serve, $(WHO), $$(WHO), $(NOBODY)]", nil, []string{"serve", "ann", "$(WHO)", "$(NOBODY)"}, "/src"},
		{"a compiled program", "", func(i *Image) {
			i.Cmd, i.Compiles = []string{"/bin/web"}, []Compile{{Output: "/bin/web"}}
		}, []string{"/state/bin/web/bin_web"}, "/src"},
		{"a compiled program by its name alone", "", func(i *Image) {
			i.Cmd, i.Compiles = []string{"web"}, []Compile{{Output: "/usr/local/bin/web"}}
		}, []string{"/state/bin/web/usr_local_bin_web"}, "/src"},
		{"an interpreter under its other name", "", func(i *Image) { i.Cmd = []string{"python", "app.py"} }, []string{"python3", "app.py"}, "/src"},
		{"an interpreter of the image by its path", "", func(i *Image) { i.Cmd = []string{"/usr/local/bin/python3", "/app/app.py"} }, []string{"python3", "/src/app.py"}, "/src"},
		{"files of several folders are staged", "", func(i *Image) { i.Copies = append(i.Copies, Copy{Src: "pages", Dest: "/app/www", Dir: true}) },
			[]string{"serve", "--dir=/state/stage/web/app/www"}, "/state/stage/web/app"},
		{"single files of one folder are a view of it", "", func(i *Image) {
			i.Copies = []Copy{{Src: "app/a.py", Dest: "/app/a.py"}, {Src: "app/lib", Dest: "/app/lib", Dir: true}}
		}, []string{"serve", "--dir=/src/app/www"}, "/src/app"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			img := web()
			if tt.image != nil {
				tt.image(&img)
			}
			p := only(t, compose(t, img, Settings{}, machine([]string{"serve", "sh", "python3"}, nil), deployment(tt.container)))
			if diff := cmp.Diff(tt.want, p.Args); diff != "" || p.Dir != tt.dir {
				t.Errorf("in %s (want %s), command (-want +got):\n%s", p.Dir, tt.dir, diff)
			}
		})
	}
}

const configs = `apiVersion: v1
kind: ConfigMap
metadata: {name: c}
data: {A: "1", FILE: "url=http://api:80/x"}
---
apiVersion: v1
kind: Secret
metadata: {name: s}
data: {B: Mg==}
stringData: {C: "3"}`

func TestTheEnvironment(t *testing.T) {
	for _, tt := range []struct {
		name, container string
		want            []string // besides HOME, PATH and PWD
		broken          string
	}{
		{"the Dockerfile's", "", []string{"MODE=prod"}, ""},
		{"the manifest's wins, with paths as they are here", "env: [{name: MODE, value: dev}, {name: AT, value: '/app/x:/etc/y,/app'}]", []string{"AT=/src/x:/etc/y,/src", "MODE=dev"}, ""},
		{"an address is no path", "env: [{name: AT, value: 'pg://host/app'}]", []string{"AT=pg://host/app", "MODE=prod"}, ""},
		{"all of a ConfigMap and a Secret", "envFrom: [{configMapRef: {name: c}, prefix: X_}, {secretRef: {name: s}}]",
			[]string{"B=2", "C=3", "MODE=prod", "X_A=1", "X_FILE=url=http://api:80/x"}, ""},
		{"one key", "env: [{name: V, valueFrom: {secretKeyRef: {name: s, key: B}}}]", []string{"MODE=prod", "V=2"}, ""},
		{"an optional key that is not there", "env: [{name: V, valueFrom: {configMapKeyRef: {name: none, key: B, optional: true}}}]", []string{"MODE=prod"}, ""},
		{"a key that is not there", "env: [{name: V, valueFrom: {secretKeyRef: {name: s, key: Z}}}]", nil, `Secret "s" has no key "Z"`},
		{"a ConfigMap that is not there", "envFrom: [{configMapRef: {name: none}}]", nil, `ConfigMap "none" is not in the manifests`},
		{"fields", "env: [{name: NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}, {name: L, valueFrom: {fieldRef: {fieldPath: \"metadata.labels['app']\"}}}, {name: IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}]",
			[]string{"IP=127.0.0.1", "L=web", "MODE=prod", "NAME=web"}, ""},
		{"a limit", "resources: {limits: {memory: 1Ki}}\nenv: [{name: M, valueFrom: {resourceFieldRef: {resource: limits.memory}}}]", []string{"M=1024", "MODE=prod"}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			plan := compose(t, web(), Settings{}, machine([]string{"serve"}, nil), configs, deployment(tt.container))
			if tt.broken != "" {
				if !slices.Contains(findings(plan), tt.broken) || len(plan.Units) != 0 {
					t.Errorf("findings %v", findings(plan))
				}
				return
			}
			got := slices.DeleteFunc(only(t, plan).Env, func(kv string) bool {
				return kv == "HOME=/home/ann" || kv == "PATH=/usr/bin" || kv == "PWD=/src"
			})
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("environment (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAProjectsOwnProgramsComeFirst(t *testing.T) {
	h := machine([]string{"serve"}, map[string]string{"/src/.venv/bin/flask": "", "/src/node_modules/.bin/vite": ""})
	if env := only(t, compose(t, web(), Settings{}, h, deployment(""))).Env; !slices.Contains(env, "PATH=/src/.venv/bin:/src/node_modules/.bin:/usr/bin") {
		t.Errorf("%v", env)
	}
}

const service = `apiVersion: v1
kind: Service
metadata: {name: api}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: http}]}`

func TestServices(t *testing.T) {
	const container = "ports: [{name: http, containerPort: 8080}]\nenv: [{name: URL, value: 'http://api/x,api:80,api.default.svc:80,http://api2/'}, {name: HOST, value: api}]"
	for _, tt := range []struct {
		name    string
		host    func(*Host)
		url     string
		bare    string
		address string
		proxies []Proxy
	}{
		{"with an address of its own the name and the port are the Service's", func(h *Host) { h.LowPorts = true },
			"http://api/x,api:80,api.default.svc:80,http://api2/", "api", ownAddress("/state", 1), []Proxy{{ownAddress("/state", 1) + ":80", "127.0.0.1:8080"}}},
		{"where a low port may not be opened, the port is put in", func(*Host) {},
			"http://api:8080/x,api:8080,api.default.svc:8080,http://api2/", "api", "127.0.0.1", nil},
		{"where there is no hosts file, the address is put in", func(h *Host) { h.Hosts = false },
			"http://127.0.0.1:8080/x,127.0.0.1:8080,127.0.0.1:8080,http://api2/", "127.0.0.1", "127.0.0.1", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := machine([]string{"serve"}, nil)
			tt.host(&h)
			plan := compose(t, web(), Settings{}, h, deployment(container), service)
			env := only(t, plan).Env
			if !slices.Contains(env, "URL="+tt.url) || !slices.Contains(env, "HOST="+tt.bare) {
				t.Errorf("%q", env)
			}
			if len(plan.Routes) != 1 || plan.Routes[0].Address != tt.address || cmp.Diff(tt.proxies, plan.Routes[0].Proxies) != "" {
				t.Errorf("%+v", plan.Routes)
			}
			if hosts := plan.HostsFile("127.0.0.1 localhost\n"); hosts != "127.0.0.1 localhost\n"+tt.address+" api api.default api.default.svc api.default.svc.cluster.local\n" {
				t.Errorf("%q", hosts)
			}
		})
	}
}

func TestPortsThatAreTaken(t *testing.T) {
	second := strings.NewReplacer("name: web", "name: two", "name: main", "name: second").Replace(deployment("PLACE"))
	for _, tt := range []struct {
		name, container string
		args            []string
		port            int
		finding         string
	}{
		{"PORT is changed", "env: [{name: PORT, value: '8080'}]", []string{"serve", "--dir=/src/www"}, 8081, "port 8080 is taken by Deployment/web, container main; it is 8081 here"},
		{"an argument is changed", "args: ['serve', '--listen=0.0.0.0:8080', -p, '8080']", []string{"serve", "--listen=0.0.0.0:8081", "-p", "8081"}, 8081, "port 8080 is taken by Deployment/web, container main; it is 8081 here"},
		{"a program that has it built in", "args: ['serve', 'x18080', '80801']", nil, 0, "port 8080 is taken by Deployment/web, container main, and the program does not take its port from PORT or an argument"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			const ports = "ports: [{containerPort: 8080}]\n"
			other := strings.Replace(second, "PLACE", strings.ReplaceAll(ports+tt.container, "\n", "\n        "), 1)
			plan := compose(t, web(), Settings{}, machine([]string{"serve"}, nil), deployment(ports), other)
			if !slices.Contains(findings(plan), tt.finding) {
				t.Errorf("findings %v", findings(plan))
			}
			if tt.port == 0 {
				if len(plan.Units) != 1 {
					t.Error("it runs all the same")
				}
				return
			}
			p := plan.Units[1].Processes[0]
			if diff := cmp.Diff(tt.args, p.Args); diff != "" || p.Ports[0].Local != tt.port {
				t.Errorf("port %v, args (-want +got):\n%s", p.Ports, diff)
			}
			if strings.Contains(tt.container, "PORT") && !slices.Contains(p.Env, "PORT=8081") {
				t.Errorf("environment %v", p.Env)
			}
		})
	}
}

func TestVolumesAreFoldersOfTheState(t *testing.T) {
	plan := compose(t, web(), Settings{}, machine([]string{"serve"}, nil), configs, service, deployment(
		"args: [serve, --config=/etc/c/file, /data/x, /etc/other]\nports: [{name: http, containerPort: 8080}]\nvolumeMounts: [{name: c, mountPath: /etc/c}, {name: d, mountPath: /data}]",
		"volumes: [{name: c, configMap: {name: c, items: [{key: FILE, path: file}]}}, {name: d, persistentVolumeClaim: {claimName: disk}}, {name: unused, emptyDir: {}}]"))
	want := []Volume{
		{Dir: "/state/volumes/default.web/c", Files: []File{{Path: "file", Data: "url=http://api:8080/x", Mode: 0o644}}},
		{Dir: "/state/claims/default.disk", Keep: true},
	}
	if diff := cmp.Diff(want, plan.Units[0].Volumes); diff != "" {
		t.Errorf("volumes (-want +got):\n%s", diff)
	}
	args := []string{"serve", "--config=/state/volumes/default.web/c/file", "/state/claims/default.disk/x", "/etc/other"}
	if diff := cmp.Diff(args, only(t, plan).Args); diff != "" {
		t.Errorf("args (-want +got):\n%s", diff)
	}
}

func TestProbes(t *testing.T) {
	plan := compose(t, web(), Settings{}, machine([]string{"serve", "check"}, nil), deployment(`ports: [{name: http, containerPort: 8080}]
readinessProbe: {httpGet: {path: healthz, port: http, httpHeaders: [{name: Host, value: me}, {name: X, value: "1"}]}, periodSeconds: 2}
livenessProbe: {exec: {command: [check, /app/pid]}, failureThreshold: 5, initialDelaySeconds: 3}
startupProbe: {grpc: {port: 8080, service: s}}`))
	p := only(t, plan)
	base := Probe{Period: 10 * time.Second, Timeout: time.Second, Success: 1, Failure: 3}
	ready, live, startup := base, base, base
	ready.Kind, ready.URL, ready.Host, ready.Headers, ready.Period = "http", "http://127.0.0.1:8080/healthz", "me", []Header{{"X", "1"}}, 2*time.Second
	live.Kind, live.Args, live.Failure, live.Delay = "exec", []string{"check", "/src/pid"}, 5, 3*time.Second
	startup.Kind, startup.Address, startup.Service = "grpc", "127.0.0.1:8080", "s"
	if diff := cmp.Diff([]*Probe{&ready, &live, &startup}, []*Probe{p.Ready, p.Live, p.Startup}); diff != "" {
		t.Errorf("probes (-want +got):\n%s", diff)
	}
}

func TestKindsOfWorkloads(t *testing.T) {
	pod := func(kind, api, more, restart string) string {
		return "apiVersion: " + api + "\nkind: " + kind + "\nmetadata: {name: web}\nspec:\n  " + more + "\n  template: {spec: {" + restart + "containers: [{name: main, image: web}]}}"
	}
	for _, tt := range []struct {
		name, text string
		restart    proc.Policy
		limit      int
		runs       bool
		finding    string
	}{
		{"a Deployment", pod("Deployment", "apps/v1", "replicas: 1", ""), proc.Always, 0, true, ""},
		{"several replicas", pod("StatefulSet", "apps/v1", "replicas: 3", ""), proc.Always, 0, true, "1 process instead of 3 replicas"},
		{"no replica", pod("Deployment", "apps/v1", "replicas: 0", ""), "", 0, false, ""},
		{"a Job", pod("Job", "batch/v1", "backoffLimit: 2", "restartPolicy: Never, "), proc.OnFailure, 2, true, ""},
		{"a Job that is tried once", pod("Job", "batch/v1", "backoffLimit: 0", "restartPolicy: Never, "), proc.Never, 0, true, ""},
		{"a CronJob", "apiVersion: batch/v1\nkind: CronJob\nmetadata: {name: web}\nspec: {jobTemplate: {spec: {template: {spec: {containers: [{name: main, image: web}]}}}}}", "", 0, false, "it is not run by its schedule here"},
		{"a CronJob that is asked for", "apiVersion: batch/v1\nkind: CronJob\nmetadata: {name: nightly}\nspec: {jobTemplate: {spec: {backoffLimit: 3, template: {spec: {containers: [{name: main, image: web}]}}}}}", proc.OnFailure, 3, true, "it runs once, now and when it changes, and not by its schedule"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			plan := compose(t, web(), Settings{Services: map[string]Service{"nightly": {Run: Once}}}, machine([]string{"serve"}, nil), tt.text)
			if got := len(plan.Units) == 1; got != tt.runs || tt.finding != "" && !slices.Contains(findings(plan), tt.finding) {
				t.Fatalf("runs %v, findings %v", got, findings(plan))
			}
			if p := (Process{}); tt.runs {
				if p = only(t, plan); p.Restart != tt.restart || p.Limit != tt.limit {
					t.Errorf("restart %s, at most %d times", p.Restart, p.Limit)
				}
			}
		})
	}
}

func TestImagesThatAreNotBuiltHere(t *testing.T) {
	redis := strings.NewReplacer("name: web", "name: cache", "app: web", "app: cache", "image: web", "image: docker.io/redis:7").Replace(
		deployment("ports: [{containerPort: 6379}]"))
	to := "apiVersion: v1\nkind: Service\nmetadata: {name: cache}\nspec: {selector: {app: cache}, ports: [{port: 6380, targetPort: 6379}]}"
	for _, tt := range []struct {
		name     string
		external map[string]External
		programs []string
		units    []string
		level    Level
		text     string
		url      string
	}{
		{"nothing is said", nil, nil, []string{"Deployment/web"}, Gap, "image docker.io/redis:7 is not built by the project and does not run here; what needs it does not work, the rest does", "cache:6380"},
		{"it is started", map[string]External{"redis": {Command: "redis-server --port 6379"}}, []string{"redis-server"}, []string{"Deployment/web", "external/redis"}, 0, "", "cache:6380"},
		{"its program is missing", map[string]External{"redis": {Command: "redis-server"}}, nil, []string{"Deployment/web"}, Gap, `"redis-server" is not on this machine`, "cache:6380"},
		{"one runs elsewhere", map[string]External{"cache": {Address: "10.0.0.5:7000"}}, nil, []string{"Deployment/web"}, 0, "", "cache:6380"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			plan := compose(t, web(), Settings{External: tt.external, Dir: "/src"}, machine(append(tt.programs, "serve", "sh"), nil),
				deployment("env: [{name: REDIS, value: 'cache:6380'}]"), redis, to)
			var units []string
			for _, u := range plan.Units {
				units = append(units, u.Object)
			}
			slices.Sort(units)
			if diff := cmp.Diff(tt.units, units); diff != "" {
				t.Errorf("units (-want +got):\n%s", diff)
			}
			if i := slices.Index(findings(plan), tt.text); tt.text != "" && (i < 0 || plan.Findings[i].Level != tt.level) {
				t.Errorf("findings %+v", plan.Findings)
			}
			if env := plan.Units[0].Processes[0].Env; !slices.Contains(env, "REDIS="+tt.url) {
				t.Errorf("environment %v", env)
			}
		})
	}
}

func TestWhatMeansNothingHereIsFound(t *testing.T) {
	plan := compose(t, web(), Settings{}, machine([]string{"serve"}, nil), deployment(`securityContext: {runAsUser: 1000, readOnlyRootFilesystem: true, capabilities: {add: [NET_ADMIN]}}
resources: {limits: {cpu: "1"}}
lifecycle: {preStop: {exec: {command: [x]}}}
tty: true`, "hostNetwork: true"))
	want := []string{
		"runs as you, not as user 1000", "may write where you may: readOnlyRootFilesystem is not applied", "privileges and capabilities are not applied",
		"limits are not applied", "hostNetwork and dnsConfig are not applied", "stdin and tty are not there",
		`the probe "x" is left out: the program is not on this machine`, "preStop is not run",
	}
	if diff := cmp.Diff(want, findings(plan)); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
}

func TestSettingsOfAProjectWin(t *testing.T) {
	plan := compose(t, web(), Settings{Services: map[string]Service{"main": {Command: "make serve", Dir: "sub", Env: map[string]string{"MODE": "mine"}, Port: 9000}}},
		machine([]string{"sh", "make"}, map[string]string{"/src/sub/x": ""}), deployment("ports: [{containerPort: 8080}]"))
	p := only(t, plan)
	if diff := cmp.Diff([]string{"sh", "-c", "make serve"}, p.Args); diff != "" || p.Dir != "/src/sub" || p.Ports[0].Local != 9000 ||
		!slices.Contains(p.Env, "MODE=mine") || !slices.Contains(p.Env, "PORT=9000") {
		t.Errorf("%+v\n%s", p, diff)
	}
	if plan := compose(t, web(), Settings{Services: map[string]Service{"web": {Skip: true}}}, machine(nil, nil), deployment("")); len(plan.Units) != 0 || len(plan.Findings) != 0 {
		t.Errorf("%+v", plan)
	}
}

func TestAFieldOfAWrongTypeIsNamed(t *testing.T) {
	plan := compose(t, web(), Settings{}, machine([]string{"serve"}, nil), deployment("env: [{name: A, value: yes}]"))
	if got := strings.Join(findings(plan), "\n"); !strings.Contains(got, "containers.env.value of type string") {
		t.Errorf("findings %s", got)
	}
}
