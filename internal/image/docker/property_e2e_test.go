//go:build e2e

package docker

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/skiff-dev/skiff/internal/config"
	"github.com/skiff-dev/skiff/internal/diag"
)

// What a random Dockerfile brings into its image, as the engine builds it, must be among the inputs that were computed for it;
// and everything that was computed, but for what is widened on purpose, must get there.
func TestRandomDockerfilesTakeTheFilesThatWereComputed(t *testing.T) {
	eachBuilder(t, func(t *testing.T, r *real) {
		for seed := range uint64(16) {
			t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) { randomCase(t, r, rand.New(rand.NewPCG(seed, 3))) })
		}
	})
}

var (
	somePaths   = []string{"a.go", "b.go", "c.txt", "x y.txt", "sub/a.go", "sub/b.txt", "sub/deep/c.go", "sub/deep/.hid", "web/i.html", "web/nm/x.js", ".env", "w[1].txt"}
	someSources = []string{".", "*.go", "sub", "sub/", "sub/*", "sub/*.go", "*/*.txt", "s?b/deep", "web", "./web/../sub/deep", "/c.txt", "c.txt a.go", `["x y.txt",`, "[a-b].go", "$DIR", "${DIR}/deep", "sub/deep/.*"}
	someIgnores = []string{"*.txt", "**/*.go", "!a.go", "sub", "!sub/deep", "web/nm", "sub/*/c.go", ".*", "!.env", "**/deep", "# nothing", "/web", "w*"}
)

func randomCase(t *testing.T, r *real, rnd *rand.Rand) {
	dir := t.TempDir()
	for _, name := range somePaths {
		if rnd.IntN(5) > 0 {
			writeText(t, filepath.Join(dir, name), "token<"+name+">\n")
		}
	}
	// One file of each kind that a source may name, so that no COPY fails for want of a match.
	write(t, dir, "keep/k")
	var ignore []string
	for range rnd.IntN(4) {
		ignore = append(ignore, someIgnores[rnd.IntN(len(someIgnores))])
	}
	if len(ignore) > 0 {
		writeText(t, filepath.Join(dir, ".dockerignore"), strings.Join(ignore, "\n")+"\n")
	}
	df := &strings.Builder{}
	df.WriteString("FROM busybox:1 AS one\nARG DIR=sub\n")
	for i := range 1 + rnd.IntN(2) {
		fmt.Fprintf(df, "COPY %s /all/one%d/\n", source1(rnd), i)
	}
	df.WriteString("FROM busybox:1 AS unused\nCOPY web /all/unused/\nFROM busybox:1\nENV DIR=web\n")
	for i := range 1 + rnd.IntN(2) {
		fmt.Fprintf(df, "COPY %s /all/two%d/\n", source1(rnd), i)
	}
	df.WriteString("COPY --from=one /all/ /all/\nRUN find /all -type f -exec cat {} +\n")
	writeText(t, filepath.Join(dir, "Dockerfile"), df.String())
	a := &config.Artifact{Image: "skiff-e2e-random", Context: dir, Docker: &config.DockerArtifact{Dockerfile: "Dockerfile", NoCache: true}}
	in, err := New(Options{}).Inputs(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	files, err := in.Files(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.build(t, a, false); err != nil {
		if diag.Kind(err) == diag.CodeBuild && strings.Contains(err.Error(), "COPY") {
			t.Skip("a COPY without a match: ", err)
		}
		t.Fatalf("%v\n%s", err, df)
	}
	built := strings.Join(r.last, "\n")
	for _, name := range somePaths {
		file := filepath.Join(dir, name)
		if _, err := os.Stat(file); err != nil {
			continue
		}
		inImage := strings.Contains(built, "token<"+name+">")
		computed := contains(files, file)
		// Has counts a folder above what a wildcard may match, and cannot know that the path is a file.
		if inImage != computed || computed && !in.Has(file) {
			t.Errorf("%s: in the image %v, among the files %v, Has %v\n%s\n.dockerignore: %q", name, inImage, computed, in.Has(file), df, ignore)
		}
	}
}

func source1(rnd *rand.Rand) string {
	s := someSources[rnd.IntN(len(someSources))]
	if strings.HasPrefix(s, "[\"") {
		return "[\"x y.txt\", \"keep/k\", \"/all/j/\"]\n#"
	}
	return s + " keep/k"
}

func contains(list []string, want string) bool {
	for _, s := range list {
		if s == want {
			return true
		}
	}
	return false
}
