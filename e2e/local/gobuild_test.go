//go:build e2e && unix

package local

import (
	"path/filepath"
	"testing"
)

const workload = `apiVersion: apps/v1
kind: Deployment
metadata: {name: NAME}
spec:
  template:
    spec:
      terminationGracePeriodSeconds: 1
      containers: [{name: NAME, image: IMAGE, command: COMMAND}]
---
`

func goMain(says string) string {
	return "package main\n\nimport (\n\t\"fmt\"\n\t\"os\"\n)\n\nfunc main() {\n\tfmt.Println(\"" + says + "\", os.Args[1:])\n\tselect {}\n}\n"
}

// TestGoProgramsOfOneStepAndOfKo compiles two programs by one step of a Dockerfile, and one without any Dockerfile.
func TestGoProgramsOfOneStepAndOfKo(t *testing.T) {
	t.Parallel()
	p := &project{t: t, dir: filepath.Join(t.TempDir(), "go project"), home: t.TempDir()}
	p.write("go.mod", "module example.com/two\n\ngo 1.26\n")
	p.write("cmd/api/main.go", goMain("this is api"))
	p.write("cmd/job/main.go", goMain("this is job"))
	p.write("tool/main.go", goMain("this is ko"))
	p.write("Dockerfile", "FROM golang AS b\nWORKDIR /s\nCOPY . .\nRUN CGO_ENABLED=0 GOOS=linux go build -o /out/ ./cmd/...\nFROM scratch\nCOPY --from=b /out /bin\nENTRYPOINT [\"/bin/api\"]\n")
	p.write("skaffold.yaml", `apiVersion: skaffold/v4beta13
kind: Config
build:
  artifacts:
  - image: both
  - image: tool
    ko: {main: ./tool}
manifests: {rawYaml: [k8s.yaml]}
`)
	manifest := ""
	for _, w := range [][3]string{{"api", "both", "[/bin/api, one]"}, {"job", "both", "[job, two]"}, {"tool", "tool", "[]"}} {
		manifest += replaceAll(workload, "NAME", w[0], "IMAGE", w[1], "COMMAND", w[2])
	}
	p.write("k8s.yaml", manifest)
	s := p.start("dev", "--target=local")
	s.says("this is api [one]")
	s.says("this is job [two]")
	s.says("this is ko []")
	s.says("Watching for changes")
	p.write("tool/main.go", goMain("this is new ko"))
	s.says("this is new ko []")
	p.write("cmd/job/main.go", goMain("this is new job"))
	s.says("this is new job [two]")
	s.interrupt()
	s.leavesNothing()
}
