package local

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func read(t *testing.T, text string, args map[string]string, files ...string) Image {
	t.Helper()
	content := map[string]string{"/src/go.mod": "module example.com/tool\n", "/src/main.go": "", "/src/cmd/web/main.go": "", "/src/www/a": "", "/src/app.py": ""}
	for _, f := range files {
		content["/src/"+f] = ""
	}
	given := map[string]*string{}
	for k, v := range args {
		given[k] = &v
	}
	img, err := ReadImage(Recipe{Name: "web", Context: "/src", File: "Dockerfile", Data: []byte(text), Args: given}, machine(nil, content))
	if err != nil {
		t.Fatal(err)
	}
	return img
}

func TestWhatADockerfileSays(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		args       map[string]string
		want       Image
	}{
		{"the exec form, variables and folders", "ARG V=3\nFROM python:$V\nARG W=a\nENV X=$W Y=${X:-none}\nENV Z=\"$X b\"\nWORKDIR /app\nWORKDIR sub\nUSER 10\nENTRYPOINT [\"python\"]\nCMD [\"a.py\"]\n", map[string]string{"W": "given"},
			Image{Base: "python:3", Dir: "/app/sub", Env: []string{"X=given", "Y=none", "Z=given b"}, User: "10", Entrypoint: []string{"python"}, Cmd: []string{"a.py"}}},
		{"the shell form", "FROM a\nCMD exec run $X\n", nil, Image{Base: "a", Dir: "/", Cmd: []string{"/bin/sh", "-c", "exec run $X"}}},
		{"a shell of its own", "FROM a\nSHELL [\"/bin/bash\", \"-ec\"]\nCMD run\n", nil, Image{Base: "a", Dir: "/", Cmd: []string{"/bin/bash", "-ec", "run"}}},
		{"a stage on a stage; its entrypoint drops the command", "FROM a AS base\nENV X=1\nWORKDIR /w\nCMD [\"c\"]\nFROM base\nENTRYPOINT [\"e\"]\n", nil,
			Image{Base: "a", Dir: "/w", Env: []string{"X=1"}, Entrypoint: []string{"e"}}},
		{"copies", "FROM a\nWORKDIR /app\nCOPY app.py .\nCOPY app.py main.go lib/\nCOPY www /srv\nCOPY *.py x/\nADD https://x/y z\nSTOPSIGNAL SIGINT\n", nil,
			Image{Base: "a", Dir: "/app", Signal: "SIGINT", Copies: []Copy{
				{Src: "app.py", Dest: "/app/app.py"}, {Src: "app.py", Dest: "/app/lib/app.py"}, {Src: "main.go", Dest: "/app/lib/main.go"},
				{Src: "www", Dest: "/srv", Dir: true}, {Src: "*.py", Dest: "/app/x", Wild: true},
			}, Findings: []Finding{{Level: Gap, Topic: "files", Text: "Dockerfile:7: https://x/y is not fetched"}}}},
		{"a Go program of an earlier stage", "FROM golang AS b\nARG CMD\nWORKDIR /s\nCOPY go.mod ./\nRUN go mod download\nCOPY . .\nRUN --mount=type=cache,target=/c CGO_ENABLED=0 GOOS=linux go build -a -ldflags '-s -w' -o /out/ ./cmd/$CMD && touch /x\nFROM scratch\nCOPY --from=b /out/web /\nCOPY --from=b /s/www /www\nCMD [\"/web\"]\n", map[string]string{"CMD": "web"},
			Image{Base: "scratch", Dir: "/", Cmd: []string{"/web"}, Copies: []Copy{{Src: "www", Dest: "/www", Dir: true}},
				Compiles: []Compile{{Dir: "/src", Args: []string{"go", "build", "-ldflags=-s -w"}, Env: []string{"CGO_ENABLED=0"}, Output: "/web", Package: "./cmd/web", Line: 7, Base: "golang"}}}},
		{"a Go program of the same stage, by its module's name", "FROM golang\nWORKDIR /s\nCOPY *.go go.mod ./\nRUN go build\nCMD [\"./tool\"]\n", nil,
			Image{Base: "golang", Dir: "/s", Cmd: []string{"./tool"}, Copies: []Copy{{Src: "*.go", Dest: "/s", Wild: true}, {Src: "go.mod", Dest: "/s/go.mod"}},
				Compiles: []Compile{{Dir: "/src", Args: []string{"go", "build"}, Output: "/s/tool", Package: ".", Line: 4, Base: "golang"}}}},
		{"what is installed and what is not run", "FROM python\nRUN apt-get update && apt-get install -y --no-install-recommends gcc git\nRUN pip install -r requirements.txt\nRUN ./configure --fast\n", nil,
			Image{Base: "python", Dir: "/", Needs: []Need{
				{Kind: "system", Names: []string{"gcc", "git"}, Install: "install gcc, git", Text: "apt-get install -y --no-install-recommends gcc git", Line: 2},
				{Kind: "python", Names: []string{"-r", "requirements.txt"}, Install: "python3 -m venv .venv && .venv/bin/pip install -r requirements.txt", Text: "pip install -r requirements.txt", Line: 3},
			}, Findings: []Finding{{Topic: "RUN", Text: "Dockerfile:4: not run here: ./configure --fast"}}}},
		{"what a step of another stage makes", "FROM node AS b\nCOPY . /s\nRUN make\nFROM nginx\nCOPY --from=b /dist /usr/share\nCOPY --from=other /x /x\n", nil,
			Image{Base: "nginx", Dir: "/", Findings: []Finding{
				{Level: Gap, Topic: "files", Text: `Dockerfile:5: /dist is made by a step of stage "b" that is not run here`, Hint: "say in skiff.yaml how it is made: local: {services: {web: {build: …}}}"},
				{Level: Gap, Topic: "files", Text: "Dockerfile:6: /x of the image other is not there"},
			}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.want.Name, tt.want.Context = "web", "/src"
			if diff := cmp.Diff(tt.want, read(t, tt.text, tt.args)); diff != "" {
				t.Errorf("image (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTheTargetStage(t *testing.T) {
	img, err := ReadImage(Recipe{Name: "web", Context: "/src", Data: []byte("FROM a AS dev\nCMD [\"d\"]\nFROM b\nCMD [\"p\"]\n"), Target: "dev"}, machine(nil, nil))
	if err != nil || img.Base != "a" || img.Cmd[0] != "d" {
		t.Errorf("%+v, %v", img, err)
	}
}

func TestGoProgramsOfAllKinds(t *testing.T) {
	one := func(c Compile) []Compile {
		c.Line, c.Base = 4, "golang"
		if c.Args == nil {
			c.Args = []string{"go", "build"}
		}
		if c.Dir == "" {
			c.Dir = "/src"
		}
		return []Compile{c}
	}
	for _, tt := range []struct {
		name, run, copy string
		want            []Compile
	}{
		{"a folder of programs", "go build -o /out/ ./cmd/...", "/out /usr/bin", one(Compile{Output: "/usr/bin", Package: "./cmd/...", Folder: true, From: "/out"})},
		{"one of them", "go build -o /out/ ./cmd/...", "/out/web /usr/bin/", one(Compile{Output: "/usr/bin/web", Package: "./cmd/...", From: "/out", File: "web"})},
		{"all of them by a pattern", "go build -o bin/ ./cmd/web ./cmd/job", "/s/bin/* /bin/", one(Compile{Output: "/bin", Package: "./cmd/web", Rest: []string{"./cmd/job"}, Folder: true, From: "/s/bin"})},
		{"one by its own name", "go build -o bin/ ./cmd/web ./cmd/job", "bin/job /job", nil},
		{"one of a list", "go build -o bin/ ./cmd/web ./cmd/job", "/s/bin/job /job", one(Compile{Output: "/job", Package: "./cmd/web", Rest: []string{"./cmd/job"}, From: "/s/bin", File: "job"})},
		{"a folder that was made", "mkdir -p /out && go build -o /out ./cmd/web", "/out/web /", one(Compile{Output: "/web", Package: "./cmd/web"})},
		{"go install", "go install ./cmd/web", "/go/bin/web /", one(Compile{Output: "/web", Package: "./cmd/web"})},
		{"go install of several", "GOBIN=/b go install ./cmd/...", "/b/web /", one(Compile{Output: "/web", Package: "./cmd/...", From: "/b", File: "web", Env: []string{"GOBIN=/b"}})},
		{"variables before it", "export CGO_ENABLED=0 GOOS=linux && env GOARCH=arm64 GOEXPERIMENT=x go build -tags=a,b -o /web", "/web /web", one(Compile{Output: "/web", Package: ".", Args: []string{"go", "build", "-tags=a,b"}, Env: []string{"CGO_ENABLED=0", "GOEXPERIMENT=x"}})},
		{"another folder", "cd cmd && go build -C web -o /web .", "/web /web", one(Compile{Dir: "/src/cmd/web", Output: "/web", Package: "."})},
		{"a folder that is only mounted", "--mount=type=bind,source=cmd,target=/m cd /m && go build -o /web ./web", "/web /web", one(Compile{Dir: "/src/cmd", Output: "/web", Package: "./web"})},
		{"a warm cache", "go build ./...", "/src /none", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			img := read(t, "FROM golang AS b\nWORKDIR /s\nCOPY . .\nRUN "+tt.run+"\nFROM scratch\nCOPY --from=b "+tt.copy+"\n", nil, "cmd/job/main.go")
			if tt.name == "one by its own name" {
				if len(img.Compiles) != 0 || len(img.Findings) == 0 {
					t.Errorf("a path from the root is not one of the working folder: %+v", img)
				}
				return
			}
			if diff := cmp.Diff(tt.want, img.Compiles); diff != "" {
				t.Errorf("compiles (-want +got):\n%s", diff)
			}
		})
	}
	img := read(t, "FROM golang\nRUN go install example.com/x/tool@v1.2.3\n", nil)
	if len(img.Needs) != 1 || img.Needs[0].Kind != "go" {
		t.Errorf("%+v", img)
	}
	if got := programName(".", "/s", "example.com/tool/v2"); got != "tool" {
		t.Errorf("a module of the second version makes %q", got)
	}
}
