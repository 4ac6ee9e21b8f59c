//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// fleet is a project of several images: lib, app that is built from lib, side, and one more whose Dockerfile the test writes.
func fleet(t *testing.T) *project {
	t.Helper()
	p := box(t).freshCache()
	var b strings.Builder
	b.WriteString("apiVersion: skaffold/v4beta14\nkind: Config\nbuild:\n  artifacts:\n")
	for _, name := range []string{"lib", "app", "side", "more"} {
		fmt.Fprintf(&b, "  - image: %s-%s\n    context: %s\n", p.namespace, name, name)
		if name == "app" {
			fmt.Fprintf(&b, "    requires: [{image: %s-lib, alias: LIB}]\n", p.namespace)
		}
		p.write(name+"/file.txt", name+" "+p.namespace)
		p.write(name+"/Dockerfile", "FROM busybox\nRUN echo making "+name+"\nCOPY file.txt /"+name+".txt\n")
	}
	p.write("app/Dockerfile", "ARG LIB\nFROM $LIB\nRUN test -e /lib.txt\nCOPY file.txt /app.txt\n")
	p.write("skaffold.yaml", b.String())
	p.commit("a fleet")
	return p
}

// builds is the events of one build, by image: what it says of its end.
func (p *project) builds(log string) map[string]string {
	p.Helper()
	ends := map[string]string{}
	causes := map[string]string{}
	for line := range strings.Lines(p.read(log)) {
		var e struct {
			Kind, Image, Cached, Cause string
			Error                      []any
		}
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			p.Fatal(err)
		}
		name := strings.TrimPrefix(e.Image, p.namespace+"-")
		switch {
		case e.Kind == "buildStarted":
			causes[name] = e.Cause
		case e.Kind != "buildEnded":
		case len(e.Error) > 0:
			ends[name] = "failed"
		case e.Cached != "":
			ends[name] = "found"
		default:
			ends[name] = "built: " + causes[name]
		}
	}
	p.remove(log)
	return ends
}

func (p *project) wantBuilds(log string, want map[string]string) {
	p.Helper()
	got := p.builds(log)
	for name, end := range want {
		if got[name] != end {
			p.Errorf("%s was %q, want %q", name, got[name], end)
		}
	}
	if len(got) != len(want) {
		p.Errorf("the builds were %v, want %v", got, want)
	}
}

func TestAFleetIsBuiltInItsOrderAndOnlyWhatChanged(t *testing.T) {
	t.Parallel()
	p := fleet(t)
	const log = "events.json"
	const first = "built: it was not made here before"
	p.must("build", "--event-log-file="+log)
	p.wantBuilds(log, map[string]string{"lib": first, "app": first, "side": first, "more": first})

	t.Run("nothing changed", func(t *testing.T) {
		p := p.sub(t)
		p.must("build", "--event-log-file="+log)
		p.wantBuilds(log, map[string]string{"lib": "found", "app": "found", "side": "found", "more": "found"})
		if r := p.must("why", p.namespace+"-lib"); !strings.Contains(r.stdout, "would not be built: the registry has it") {
			t.Errorf("why says %s", r.stdout)
		}
	})
	t.Run("a file of an image that another is built from", func(t *testing.T) {
		p := p.sub(t)
		p.write("lib/file.txt", "changed")
		if r := p.must("why", p.namespace+"-lib", p.namespace+"-app"); !strings.Contains(r.stdout, "would be built: file.txt changed") || !strings.Contains(r.stdout, "requires "+p.namespace+"-lib, which would be built") {
			t.Errorf("why says %s", r.stdout)
		}
		p.must("build", "--event-log-file="+log)
		p.wantBuilds(log, map[string]string{"lib": "built: file.txt changed", "app": "built: the required image LIB is another one now", "side": "found", "more": "found"})
	})
	t.Run("one fails and the others do not mind", func(t *testing.T) {
		p := p.sub(t)
		p.write("lib/Dockerfile", "FROM busybox\nRUN echo last words of lib; exit 3\n")
		p.write("side/file.txt", "changed")
		r := p.skiff("build", "--event-log-file="+log)
		if r.code != 1 {
			t.Errorf("the exit code is %d", r.code)
		}
		p.wantBuilds(log, map[string]string{"lib": "failed", "side": "built: file.txt changed", "more": "found"})
		if !strings.Contains(r.stderr, `"`+p.namespace+`-app" was not tried: it requires "`+p.namespace+`-lib"`) {
			t.Errorf("what was not tried is not told: %s", r.stderr)
		}
		if r := p.skiff("build", "-q"); r.code != 1 || r.stdout != "" || !strings.Contains(r.stderr, "last words of lib") {
			t.Errorf("-q ends with %d and prints %q and %q", r.code, r.stdout, r.stderr)
		}
		if r := p.must("why", p.namespace+"-lib"); !strings.Contains(r.stdout, "the last build failed") {
			t.Errorf("why says %s", r.stdout)
		}
	})
	t.Run("without the cache all of them", func(t *testing.T) {
		p := p.sub(t)
		r := p.skiff("build", "--cache-artifacts=false", "-b", "side", "-b", "more", "--event-log-file="+log, "-t", "mine", "--file-output=out.json")
		if r.code != 0 {
			t.Fatalf("it ended with %d", r.code)
		}
		p.wantBuilds(log, map[string]string{"side": "built: ", "more": "built: "})
		var out struct {
			Builds []struct{ ImageName, Tag string }
		}
		if err := json.Unmarshal([]byte(p.read("out.json")), &out); err != nil || len(out.Builds) != 2 || !strings.Contains(out.Builds[0].Tag, ":mine") {
			t.Errorf("the file holds %s (%v)", p.read("out.json"), err)
		}
	})
}

func TestOddFilesGoIntoTheImageAndIntoTheKey(t *testing.T) {
	t.Parallel()
	p := box(t).freshCache()
	p.write("Dockerfile", "FROM busybox\nWORKDIR /srv\nCOPY files files\nCOPY data.cfg .\nCMD [\"sleep\", \"100000\"]\n")
	names := []string{"with space", "new\nline", "bad\xff", "-dash", "'quote\""}
	for _, name := range names {
		if err := os.WriteFile(filepath.Join(p.dir, "files", name), []byte("1"), 0o644); err != nil {
			t.Skipf("the file system does not take %q: %v", name, err)
		}
	}
	const log = "../events.json"
	p.must("build", "--event-log-file="+log)
	p.builds(log)
	p.must("build", "--event-log-file="+log)
	p.wantBuilds(log, map[string]string{"box": "found"})
	for _, name := range names {
		if err := os.WriteFile(filepath.Join(p.dir, "files", name), []byte("22"), 0o644); err != nil {
			t.Fatal(err)
		}
		if r := p.must("why", "box"); !strings.Contains(r.stdout, "would be built: ") || !strings.Contains(r.stdout, strings.ToValidUTF8(name, "\uFFFD")) && !strings.Contains(r.stdout, name) {
			t.Errorf("after a change of %q why says %s", name, r.stdout)
		}
		if err := os.WriteFile(filepath.Join(p.dir, "files", name), []byte("1"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
