//go:build e2e && unix

package local

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// write makes a file of the project.
func (p *project) write(file, text string) {
	p.t.Helper()
	name := filepath.Join(p.dir, file)
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		p.t.Fatal(err)
	}
}

// scripts is a project of shell scripts: a server that counts, and a job that is due at night.
func scripts(t *testing.T, settings string) *project {
	t.Helper()
	p := &project{t: t, dir: filepath.Join(t.TempDir(), "scripts of mine"), home: t.TempDir()}
	p.write("skaffold.yaml", "apiVersion: skaffold/v4beta13\nkind: Config\nbuild: {artifacts: [{image: scripts}]}\nmanifests: {rawYaml: [k8s.yaml]}\n")
	p.write("Dockerfile", "FROM busybox\nWORKDIR /app\nCOPY *.sh ./\nCMD [\"sh\", \"serve.sh\"]\n")
	p.write("serve.sh", "echo \"serving $WORD from $(basename \"$PWD\")\"\ntest ! -f made || cat made\nexec sleep 1000\n")
	p.write("night.sh", "echo 'the night is over'\n")
	p.write("k8s.yaml", `apiVersion: apps/v1
kind: Deployment
metadata: {name: day}
spec:
  template:
    spec:
      terminationGracePeriodSeconds: 1
      containers: [{name: server, image: scripts, env: [{name: WORD, value: manifest}]}]
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: night}
spec:
  schedule: 0 3 * * *
  jobTemplate: {spec: {template: {spec: {restartPolicy: Never, containers: [{name: once, image: scripts, command: [sh, night.sh]}]}}}}
`)
	p.write("skiff.yaml", settings)
	return p
}

func TestTheProjectsOwnSettings(t *testing.T) {
	t.Parallel()
	const settings = `apiVersion: skiff/v1
local:
  services:
    server:
      env: {WORD: settings}
      build: echo "made $(cat recipe.txt)" >made
      watch: ["*.txt"]
`
	p := scripts(t, settings)
	p.write("recipe.txt", "first")
	s := p.start("dev", "--target=local")
	s.says("serving settings from scripts of mine")
	s.says("made first")
	s.says("Watching for changes")
	if strings.Contains(s.text(), "the night is over") {
		t.Error("a CronJob ran that nobody asked for")
	}
	p.write("recipe.txt", "second")
	s.says("made second")
	p.write("skiff.yaml", strings.Replace(settings, "echo \"made", "echo \"cooked", 1))
	s.says("cooked second")
	p.write("skiff.yaml", settings+"    night: {run: once}\n")
	s.says("the night is over")
	p.write("skiff.yaml", settings+"    nigth: {run: once}\n")
	s.says("services.nigth names no container, workload or image")
	p.write("skiff.yaml", settings+"    server: {skip: true}\n")
	s.says(`"server" stands here twice`)
	p.write("skiff.yaml", "local: {services: {server: {command: 'echo mine; exec sleep 1000', dir: sub}}}\n")
	s.says("sub is not there")
	p.write("sub/x", "")
	p.write("skiff.yaml", "local: {services: {server: {command: 'echo mine in ${PWD##*/}; exec sleep 1000', dir: sub}}}\n")
	s.says("mine in sub")
	p.write("skiff.yaml", "local: {services: {day: {skip: true}}}\n")
	s.within(60*time.Second, "the server is ended", func() bool { return len(s.left()) == 0 })
}

// TestNamesAreReplacedWhereThereIsNoHostsFile takes the road of machines where a process cannot have an /etc/hosts of its own.
func TestNamesAreReplacedWhereThereIsNoHostsFile(t *testing.T) {
	t.Parallel()
	p := copyExample(t, "guestbook")
	store := freePort(t)
	p.port = freePort(t)
	p.replace("k8s/web.yaml", "8081", strconv.Itoa(p.port))
	p.replace("k8s/store.yaml", "8082", strconv.Itoa(store))
	p.write("skiff.yaml", "local: {hosts: false}\n")
	s := p.start("dev", "--target=local")
	s.says("Everything runs")
	s.answers("/sign?name=ann", "ann")
	hosts, err := filepath.Glob(filepath.Join(p.home, ".cache", "skiff", "local", "*", "hosts"))
	if err != nil || len(hosts) > 0 {
		t.Errorf("there is a hosts file all the same: %v, %v", hosts, err)
	}
	env := strings.Join(s.environments(), "\x00")
	if want := "STORE_URL=http://127.0.0.1:" + strconv.Itoa(store); !strings.Contains(env, want) {
		t.Errorf("no process has %s", want)
	}
}

// environments are those of the processes.
func (p *project) environments() []string {
	var all []string
	files, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, file := range files {
		env, err := os.ReadFile(file)
		if text := string(env); err == nil && strings.Contains(text, "SKIFF_PROCESS=") && strings.Contains(text, "HOME="+p.home+"\x00") {
			all = append(all, text)
		}
	}
	return all
}

// replaceAll replaces words, given in pairs.
func replaceAll(text string, pairs ...string) string {
	return strings.NewReplacer(pairs...).Replace(text)
}
