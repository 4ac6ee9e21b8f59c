package filesync

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/skiff-dev/skiff/internal/config"
)

func TestABuilderThatKnowsPlacesItsFilesByItself(t *testing.T) {
	auto := true
	for _, a := range []*config.Artifact{
		{Image: "web", Context: "/src", Sync: &config.Sync{Auto: &auto}, Jib: &config.JibArtifact{}},
		{Image: "web", Context: "/src", Sync: &config.Sync{Auto: &auto}, Buildpacks: &config.BuildpacksArtifact{}},
	} {
		rules, err := Compile(a, "/", func(rel string) []string {
			if rel == "deep/a.js" {
				return []string{"/www/a.js"}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		ops, unmatched := Plan(rules, []Change{{Path: "/src/deep/a.js"}, {Path: "/src/b.go"}, {Path: "/src/deep/a.js", Deleted: true}})
		if len(ops) != 1 || ops[0].Remote != "/www/a.js" || ops[0].Delete || len(unmatched) != 2 {
			t.Errorf("%v, %v", ops, unmatched)
		}
	}
}

func TestPlanSaysWhereEachChangeGoes(t *testing.T) {
	manual := func(rules ...*config.SyncRule) *config.Sync { return &config.Sync{Manual: rules} }
	gone := func(path string) Change { return Change{Path: path, Deleted: true} }
	copies := func(local, remote string) Op { return Op{Local: local, Remote: remote, Root: "/src"} }
	deletes := func(local, remote string) Op { return Op{Local: local, Remote: remote, Root: "/src", Delete: true} }
	for _, tt := range []struct {
		name      string
		sync      *config.Sync
		workDir   string
		infer     Infer
		in        []Change
		want      []Op
		unmatched []Change
	}{
		{
			name: "no rules match nothing",
			in:   []Change{{Path: "/src/a.py"}}, unmatched: []Change{{Path: "/src/a.py"}},
		},
		{
			name: "a relative destination belongs to the image's working folder",
			sync: manual(&config.SyncRule{Src: "*.py", Dest: "."}), workDir: "/app",
			in: []Change{{Path: "/src/a.py"}}, want: []Op{copies("/src/a.py", "/app/a.py")},
		},
		{
			name: "an image without a working folder starts at the root",
			sync: manual(&config.SyncRule{Src: "*.py", Dest: "."}),
			in:   []Change{{Path: "/src/a.py"}}, want: []Op{copies("/src/a.py", "/a.py")},
		},
		{
			name: "one star stays in its folder and the others need a rebuild",
			sync: manual(&config.SyncRule{Src: "*.py", Dest: "."}), workDir: "/app",
			in:        []Change{{Path: "/src/sub/a.py"}, {Path: "/src/b.py"}},
			want:      []Op{copies("/src/b.py", "/app/b.py")},
			unmatched: []Change{{Path: "/src/sub/a.py"}},
		},
		{
			name: "two stars keep the tree",
			sync: manual(&config.SyncRule{Src: "static/**/*.css", Dest: "/www"}),
			in:   []Change{{Path: "/src/static/x/y/a.css"}, {Path: "/src/static/b.css"}},
			want: []Op{copies("/src/static/b.css", "/www/static/b.css"), copies("/src/static/x/y/a.css", "/www/static/x/y/a.css")},
		},
		{
			name: "strip takes a text from the front of the path",
			sync: manual(&config.SyncRule{Src: "static/**", Dest: "/www", Strip: "static/"}),
			in:   []Change{{Path: "/src/static/x/a.css"}}, want: []Op{copies("/src/static/x/a.css", "/www/x/a.css")},
		},
		{
			name: "strip is a text and not a folder",
			sync: manual(&config.SyncRule{Src: "static/**", Dest: "/www", Strip: "sta"}),
			in:   []Change{{Path: "/src/static/a.css"}}, want: []Op{copies("/src/static/a.css", "/www/tic/a.css")},
		},
		{
			name: "a leading dot and slash in a rule change nothing",
			sync: manual(&config.SyncRule{Src: "./*.py", Dest: "/app"}),
			in:   []Change{{Path: "/src/a.py"}}, want: []Op{copies("/src/a.py", "/app/a.py")},
		},
		{
			name: "every rule that matches names a place",
			sync: manual(&config.SyncRule{Src: "*.py", Dest: "/one"}, &config.SyncRule{Src: "a.*", Dest: "/two"}),
			in:   []Change{{Path: "/src/a.py"}}, want: []Op{copies("/src/a.py", "/one/a.py"), copies("/src/a.py", "/two/a.py")},
		},
		{
			name: "two rules with one place copy once",
			sync: manual(&config.SyncRule{Src: "*.py", Dest: "/one"}, &config.SyncRule{Src: "a.*", Dest: "/one/"}),
			in:   []Change{{Path: "/src/a.py"}}, want: []Op{copies("/src/a.py", "/one/a.py")},
		},
		{
			name: "a deleted file is deleted in the container",
			sync: manual(&config.SyncRule{Src: "*.py", Dest: "/app"}),
			in:   []Change{gone("/src/a.py")}, want: []Op{deletes("/src/a.py", "/app/a.py")},
		},
		{
			name: "a file that moved within the rules is copied and deleted",
			sync: manual(&config.SyncRule{Src: "**/*.py", Dest: "/app"}),
			in:   []Change{gone("/src/a.py"), {Path: "/src/x/a.py"}},
			want: []Op{deletes("/src/a.py", "/app/a.py"), copies("/src/x/a.py", "/app/x/a.py")},
		},
		{
			name: "of two files for one place the one that exists wins",
			sync: manual(&config.SyncRule{Src: "x/*", Dest: "/app", Strip: "x/"}, &config.SyncRule{Src: "y/*", Dest: "/app", Strip: "y/"}),
			in:   []Change{{Path: "/src/x/a"}, gone("/src/y/a")}, want: []Op{copies("/src/x/a", "/app/a")},
		},
		{
			name: "the order of the two does not matter",
			sync: manual(&config.SyncRule{Src: "x/*", Dest: "/app", Strip: "x/"}, &config.SyncRule{Src: "y/*", Dest: "/app", Strip: "y/"}),
			in:   []Change{gone("/src/x/a"), {Path: "/src/y/a"}}, want: []Op{copies("/src/y/a", "/app/a")},
		},
		{
			name: "a path outside the context matches nothing",
			sync: manual(&config.SyncRule{Src: "**", Dest: "/app"}),
			in:   []Change{{Path: "/other/a"}, {Path: "/src"}}, unmatched: []Change{{Path: "/other/a"}, {Path: "/src"}},
		},
		{
			name: "names with blanks and braces are taken as they are",
			sync: manual(&config.SyncRule{Src: "**", Dest: "/app"}),
			in:   []Change{{Path: "/src/a {b} c.py"}}, want: []Op{copies("/src/a {b} c.py", "/app/a {b} c.py")},
		},
		{
			name: "an inferred file goes where COPY puts it",
			sync: &config.Sync{Infer: []string{"**/*.js"}},
			infer: func(rel string) []string {
				return map[string][]string{"web/a.js": {"/www/a.js"}}[rel]
			},
			in:        []Change{{Path: "/src/web/a.js"}, {Path: "/src/b.js"}},
			want:      []Op{copies("/src/web/a.js", "/www/a.js")},
			unmatched: []Change{{Path: "/src/b.js"}},
		},
		{
			name:  "an inferred file that is gone needs a rebuild",
			sync:  &config.Sync{Infer: []string{"**/*.js"}},
			infer: func(rel string) []string { return []string{"/www/" + rel} },
			in:    []Change{gone("/src/a.js")}, unmatched: []Change{gone("/src/a.js")},
		},
		{
			name: "manual rules shut out inferred ones",
			sync: &config.Sync{Manual: []*config.SyncRule{{Src: "*.py", Dest: "/app"}}, Infer: []string{"*.js"}},
			in:   []Change{{Path: "/src/a.js"}}, unmatched: []Change{{Path: "/src/a.js"}},
		},
		{
			name:  "auto shuts out inferred ones too, even when it is false",
			sync:  &config.Sync{Auto: new(bool), Infer: []string{"*.js"}},
			infer: func(rel string) []string { return []string{"/www/" + rel} },
			in:    []Change{{Path: "/src/a.js"}}, unmatched: []Change{{Path: "/src/a.js"}},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			rules, err := Compile(&config.Artifact{Image: "web", Context: "/src", Sync: tt.sync}, tt.workDir, tt.infer)
			if err != nil {
				t.Fatal(err)
			}
			ops, unmatched := Plan(rules, tt.in)
			if diff := cmp.Diff(tt.want, ops); diff != "" {
				t.Errorf("Plan, operations (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.unmatched, unmatched); diff != "" {
				t.Errorf("Plan, unmatched (-want +got):\n%s", diff)
			}
		})
	}
}

func TestCompileNamesEveryGlobThatIsNone(t *testing.T) {
	_, err := Compile(&config.Artifact{Image: "web", Sync: &config.Sync{Manual: []*config.SyncRule{{Src: "[a"}, {Src: "{b"}}}}, "", nil)
	want := `image "web": sync rule "[a" is no glob
image "web": sync rule "{b" is no glob`
	if err == nil || err.Error() != want {
		t.Errorf("Compile = %v, want %s", err, want)
	}
}
