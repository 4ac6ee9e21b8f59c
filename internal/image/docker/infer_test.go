package docker

import (
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDestinations(t *testing.T) {
	for _, tt := range []struct {
		name       string
		dockerfile string
		ignore     string
		want       map[string][]string
	}{
		{"a wildcard into the working folder", "FROM a\nWORKDIR /app\nCOPY *.py .\n", "", map[string][]string{"a.py": {"/app/a.py"}, "sub/a.py": nil, "a.js": nil}},
		{"the base image's working folder", "FROM a\nCOPY src ./s\n", "", map[string][]string{"src/x/y.go": {"/base/s/x/y.go"}}},
		{"a folder's contents", "FROM a\nCOPY src /dst\nCOPY . /all/\n", "", map[string][]string{"src/x.go": {"/dst/x.go", "/all/src/x.go"}}},
		{"a file by its new name, or into a folder", "FROM a\nWORKDIR /w\nWORKDIR in\nCOPY a.py main.py\nCOPY b.py /w/in\nCOPY c.py d.py /many\nCOPY e.py sub/\n", "",
			map[string][]string{"a.py": {"/w/in/main.py"}, "b.py": {"/w/in/b.py"}, "c.py": {"/many/c.py"}, "e.py": {"/w/in/sub/e.py"}}},
		{"only the last stage", "FROM a AS x\nWORKDIR /x\nENV D=/env\nCOPY a.py .\nFROM x\nCOPY b.py $D/\nCOPY --from=x /c.py /\n", "", map[string][]string{"a.py": nil, "b.py": {"/env/b.py"}, "c.py": nil}},
		{"what cannot be told has no place", "FROM a\nCOPY a.py $HOME/\nCOPY --parents b/c.py /p/\nCOPY early.py .\nWORKDIR /late\nCOPY . /all\n", "",
			map[string][]string{"a.py": nil, "b/c.py": nil, "early.py": nil, "z.py": {"/all/z.py"}}},
		{"an archive that ADD unpacks has no place", "FROM a\nADD x.tgz y.txt /d/\n", "", map[string][]string{"x.tgz": nil, "y.txt": {"/d/y.txt"}}},
		{"what is ignored has no place", "FROM a\nCOPY . /all\n", "secret*\n", map[string][]string{"secret.py": nil, "a.py": {"/all/a.py"}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := artifact(t, tt.dockerfile)
			writeText(t, filepath.Join(a.Context, ".dockerignore"), tt.ignore)
			where, err := New(Options{}).Destinations(a, "/base")
			if err != nil {
				t.Fatal(err)
			}
			for rel, want := range tt.want {
				if diff := cmp.Diff(want, where(rel)); diff != "" {
					t.Errorf("%s (-want +got):\n%s", rel, diff)
				}
			}
		})
	}
}
