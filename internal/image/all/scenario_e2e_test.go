//go:build e2e

package all

import (
	"bytes"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// scenario is a random context with a Dockerfile, on disk.
type scenario struct {
	dir    string
	seed   uint64
	rnd    *rand.Rand
	file   string
	ignore string
	log    []string
	lax    bool
}

var (
	folders = []string{"", "src", "src/deep", "src/deep/er", "lib", "web", "web/static", "empty", "a b", "üñí"}
	names   = []string{"a.go", "b.go", "c.txt", "x y.txt", ".env", "w[1].txt", "run.sh", "Makefile", "data", "ö.txt", "go.mod"}
	modes   = []fs.FileMode{0o644, 0o644, 0o644, 0o755, 0o600, 0o444, 0o755 | fs.ModeSetuid, 0o755 | fs.ModeSetgid, 0o666}
	dirs    = []fs.FileMode{0o755, 0o755, 0o755, 0o700, 0o775, 0o777 | fs.ModeSticky, 0o755 | fs.ModeSetgid}
)

func newCase(t *testing.T, seed uint64) *scenario {
	s := &scenario{dir: filepath.Join(t.TempDir(), fmt.Sprint("s", seed)), seed: seed, rnd: rand.New(rand.NewPCG(seed, 7))}
	if err := os.Mkdir(s.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, d := range folders {
		if s.chance(75) {
			s.mkdir(t, d)
		}
	}
	for range 3 + s.rnd.IntN(14) {
		s.change(t)
	}
	// What most sources name is there, so that most Dockerfiles can be built.
	for _, f := range []string{"a.go", "src/a.go", "lib/b.go", "web/static/c.txt", "keep"} {
		if _, err := os.Lstat(filepath.Join(s.dir, f)); err != nil {
			s.write(t, f)
		}
	}
	s.dockerfile(t)
	return s
}

func (s *scenario) chance(percent int) bool { return s.rnd.IntN(100) < percent }

func pick[T any](s *scenario, list []T) T { return list[s.rnd.IntN(len(list))] }

func (s *scenario) path() string { return filepath.Join(pick(s, folders), pick(s, names)) }

func (s *scenario) note(format string, args ...any) {
	s.log = append(s.log, fmt.Sprintf(format, args...))
}

func (s *scenario) time() time.Time {
	return someTime.Add(time.Duration(s.rnd.IntN(1e6)) * time.Second)
}

func (s *scenario) mkdir(t *testing.T, d string) {
	t.Helper()
	at := filepath.Join(s.dir, d)
	if err := os.MkdirAll(at, 0o755); err != nil {
		return // something else is there
	}
	if d != "" && s.chance(40) {
		mode := pick(s, dirs)
		_ = os.Chmod(at, mode)
		s.note("folder %s %v", d, mode)
	}
}

func (s *scenario) write(t *testing.T, name string) {
	t.Helper()
	at := filepath.Join(s.dir, name)
	if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
		return
	}
	if info, err := os.Lstat(at); err == nil {
		if info.IsDir() {
			return
		}
		os.Remove(at)
	}
	// Nothing that the engine knows from another case: it would take the times of then.
	text := strings.Repeat(fmt.Sprintf("%s %d %s\n", name, s.rnd.IntN(1000), s.dir), 1+s.rnd.IntN(4))
	if err := os.WriteFile(at, []byte(text), 0o644); err != nil {
		return
	}
	mode := pick(s, modes)
	_ = os.Chmod(at, mode)
	if s.chance(50) {
		_ = os.Chtimes(at, s.time(), s.time())
	}
	s.note("file %q %v %d bytes", name, mode, len(text))
}

// change does one thing to the context.
func (s *scenario) change(t *testing.T) {
	t.Helper()
	name := s.path()
	at := filepath.Join(s.dir, name)
	switch n := s.rnd.IntN(100); {
	case n < 60:
		s.write(t, name)
	case n < 70:
		if info, err := os.Lstat(at); err == nil && info.IsDir() {
			return
		}
		os.Remove(at)
		target := pick(s, []string{"a.go", "../a.go", "deep", "../lib", "/src/a.go", "nowhere", "../../../etc/passwd", "."})
		if os.Symlink(target, at) == nil {
			s.note("link %q -> %s", name, target)
		}
	case n < 75:
		from := filepath.Join(s.dir, s.path())
		if info, err := os.Lstat(from); err == nil && info.Mode().IsRegular() && from != at {
			if info, err := os.Lstat(at); err == nil && info.IsDir() {
				return
			}
			os.Remove(at)
			if os.Link(from, at) == nil {
				s.note("hard link %q = %q", name, strings.TrimPrefix(from, s.dir))
			}
		}
	case n < 82:
		s.mkdir(t, filepath.Join(pick(s, folders), pick(s, []string{"new", "src", "static"})))
	case n < 90:
		if filepath.Base(at) != "Dockerfile" {
			s.note("remove %q", name)
			os.Remove(at)
		}
	case n < 93:
		d := pick(s, folders[1:])
		s.note("remove all of %q", d)
		os.RemoveAll(filepath.Join(s.dir, d))
	case n < 96:
		if os.Chmod(at, pick(s, modes)) == nil {
			s.note("mode of %q", name)
		}
	case s.file == "": // later a new time alone makes nothing new
		if os.Chtimes(at, s.time(), s.time()) == nil {
			s.note("time of %q", name)
		}
	}
}

// edit changes files as a person does, now and then also what decides about the build.
func (s *scenario) edit(t *testing.T) {
	s.note("-- edit")
	for range 1 + s.rnd.IntN(3) {
		s.change(t)
	}
	if s.chance(6) {
		s.file += "LABEL edited=" + fmt.Sprint(s.rnd.IntN(100)) + "\n"
		s.save(t, "Dockerfile", s.file)
	}
}

func (s *scenario) save(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

var (
	sources = []string{".", "src", "src/", "src/.", "*.go", "src/*", "lib", "web/static", "a.go", "keep", "s*c", "src/*.go", "*/*.go", `["x y.txt", "keep", "/j/"]`, "$D", "w\\[1].txt", "?eep", ".env*", "a?b", "empty*", "/keep", "./web/../lib"}
	targets = []string{"/app/", "/app", ".", "./", "/", "/usr/share/x/", "sub/", "/app/deep/er/", "/bin/", "$W/in", "/tmp", "/etc/new/", "/app/.", "/link/", "/new"}
	owners  = []string{"1000", "1000:1001", "0:5", "www-data", "www-data:daemon", "daemon", "nobody-such:7", "root:mail"}
	ignores = []string{"*.txt", "**/*.go", "!a.go", "src", "!src/deep", "web/static", "src/*/c.txt", ".*", "!.env", "**/deep", "# nothing", "/web", "keep*", "!keep", "lib/*", "Dockerfile", ".dockerignore"}
)

func (s *scenario) dockerfile(t *testing.T) {
	t.Helper()
	b := &strings.Builder{}
	base := pick(s, []string{"scratch", "busybox:1", "busybox:1", registryHost() + "/library/busybox:1"})
	if s.chance(40) {
		fmt.Fprintf(b, "FROM %s AS one\nWORKDIR /one\n", pick(s, []string{"scratch", "busybox:1"}))
		s.steps(b, 1+s.rnd.IntN(2), false)
		fmt.Fprintf(b, "COPY keep /one/keep\n")
	}
	two := b.Len() > 0
	fmt.Fprintf(b, "FROM %s\n", base)
	b.WriteString("ARG D=src\nENV W=/work\n")
	if base != "scratch" && s.chance(15) {
		b.WriteString("RUN echo made > /made && mkdir -p /app && ln -s /app /link && chmod 700 /app\n")
	}
	s.steps(b, 1+s.rnd.IntN(4), two)
	s.file = b.String()
	s.save(t, "Dockerfile", s.file)
	var rules []string
	for range s.rnd.IntN(4) {
		rules = append(rules, pick(s, ignores))
	}
	if len(rules) > 0 {
		s.ignore = strings.Join(rules, "\n") + "\n"
		s.save(t, pick(s, []string{".dockerignore", ".dockerignore", "Dockerfile.dockerignore"}), s.ignore)
	}
}

func (s *scenario) steps(b *strings.Builder, n int, staged bool) {
	for range n {
		if s.chance(45) {
			b.WriteString(pick(s, []string{
				"ENV A=1 B=\"two words\"\n", "LABEL who=me what=\"a b\"\n", "EXPOSE 80 53/udp\n", "USER 1000\n", "USER daemon\n", "WORKDIR /app\n",
				"WORKDIR rel\n", "WORKDIR /bin\n", "CMD [\"a\", \"b\"]\n", "CMD run it\n", "ENTRYPOINT [\"/x\"]\n", "VOLUME /data /more\n", "STOPSIGNAL SIGINT\n",
				"HEALTHCHECK --interval=5s CMD x\n", "HEALTHCHECK NONE\n", "SHELL [\"/bin/ash\", \"-c\"]\n", "ONBUILD COPY . /x\n", "ARG LATER=7\n", "ENV P=$W/x\n",
				"MAINTAINER me\n", "WORKDIR $W\n", "WORKDIR /tmp/x\n", "USER root\n",
			}))
			continue
		}
		word := "COPY"
		if s.chance(15) {
			word = "ADD"
		}
		if s.chance(20) {
			word += " --chown=" + pick(s, owners)
		}
		if s.chance(12) {
			word += " --chmod=" + pick(s, []string{"644", "0755", "4755", "700"})
		}
		if staged && !strings.HasPrefix(word, "ADD") && s.chance(30) {
			fmt.Fprintf(b, "%s --from=%s %s %s\n", word, pick(s, []string{"one", "0"}), pick(s, []string{"/one", "/one/keep", "/one/*", "/one/."}), pick(s, targets))
			continue
		}
		if !strings.HasPrefix(word, "ADD") && s.chance(6) {
			fmt.Fprintf(b, "%s --from=busybox:1 /etc/passwd %s\n", word, pick(s, targets))
			continue
		}
		src := pick(s, sources)
		if strings.HasPrefix(src, "[") {
			fmt.Fprintf(b, "%s %s\n", word, src)
			continue
		}
		if s.chance(25) {
			src += " " + pick(s, []string{"keep", "a.go", "lib"})
			fmt.Fprintf(b, "%s %s %s\n", word, src, pick(s, []string{"/many/", "./", "/app/"}))
			continue
		}
		fmt.Fprintf(b, "%s %s %s\n", word, src, pick(s, targets))
	}
}

// String is what a person needs to see what went wrong.
func (s *scenario) String() string {
	b := &bytes.Buffer{}
	fmt.Fprintf(b, "seed %d\n-- Dockerfile\n%s-- ignore\n%s-- history\n%s\n-- files\n", s.seed, s.file, s.ignore, strings.Join(s.log, "\n"))
	_ = filepath.WalkDir(s.dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return nil
		}
		rel, _ := filepath.Rel(s.dir, p)
		link, _ := os.Readlink(p)
		fmt.Fprintf(b, "%v %q %d %s\n", info.Mode(), rel, info.Size(), link)
		return nil
	})
	return b.String()
}
