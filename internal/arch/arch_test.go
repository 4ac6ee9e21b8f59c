package arch

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"testing"
)

// file is one parsed Go file of the module.
type file struct {
	path string // slash-separated, from the module's root
	dir  string
	test bool
	ast  *ast.File
	fset *token.FileSet
}

func (f file) imports() []string {
	var all []string
	for _, spec := range f.ast.Imports {
		all = append(all, strings.Trim(spec.Path.Value, `"`))
	}
	return all
}

// room is the first folder below internal, "" outside of it.
func (f file) room() string { return roomOf(f.dir) }

func roomOf(dir string) string {
	rest, ok := strings.CutPrefix(dir, "internal/")
	if !ok {
		return ""
	}
	name, _, _ := strings.Cut(rest, "/")
	return name
}

func parse(t *testing.T) []file {
	t.Helper()
	root := filepath.Join("..", "..")
	var files []file
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		if d.IsDir() {
			// A folder with a go.mod of its own is another module.
			if _, err := os.Stat(filepath.Join(name, "go.mod")); err == nil && rel != "." {
				return fs.SkipDir
			}
			if base := path.Base(rel); rel != "." && (strings.HasPrefix(base, ".") || base == "testdata" || base == "examples" || base == "dist") {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(rel, ".go") {
			return nil
		}
		fset := token.NewFileSet()
		parsed, err := parser.ParseFile(fset, name, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		files = append(files, file{rel, path.Dir(rel), strings.HasSuffix(rel, "_test.go"), parsed, fset})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 20 {
		t.Fatalf("only %d files found below %s: the walk is broken", len(files), root)
	}
	return files
}

func rooms() map[string]Room {
	byName := map[string]Room{}
	for _, r := range Rooms() {
		byName[r.Name] = r
	}
	return byName
}

func TestTheTableFalls(t *testing.T) {
	byName := rooms()
	for _, r := range Rooms() {
		for _, other := range r.May {
			below, ok := byName[other]
			if !ok {
				t.Errorf("%s may import %s, which is no room", r.Name, other)
				continue
			}
			sameGround := r.Floor <= 2 && below.Floor <= r.Floor && other != r.Name
			if below.Floor >= r.Floor && !sameGround {
				t.Errorf("%s (floor %d) may import %s (floor %d): arrows only fall", r.Name, r.Floor, other, below.Floor)
			}
		}
	}
}

func TestRoomsImportOnlyWhatTheTableAllows(t *testing.T) {
	byName := rooms()
	for _, f := range parse(t) {
		room := f.room()
		if room == "" || room == Top {
			continue
		}
		r, known := byName[room]
		if !known {
			t.Errorf("%s: internal/%s is not in the table", f.path, room)
			continue
		}
		for _, imp := range f.imports() {
			rest, ours := strings.CutPrefix(imp, Module+"/")
			if !ours {
				continue
			}
			if why := refuse(f, r, rest); why != "" {
				t.Errorf("%s imports %s: %s", f.path, rest, why)
			}
		}
	}
}

// refuse says why f, a file of room r, may not import the package in dir; "" when it may.
func refuse(f file, r Room, dir string) string {
	target := roomOf(dir)
	switch {
	case target == "":
		return "only rooms below internal may be imported"
	case target == r.Name && dir == "internal/"+target:
		return "" // a folder imports its room, or a test imports the package it tests
	case target == r.Name && strings.HasSuffix(dir, "test") && f.test:
		return "" // kube/kubetest is for tests
	case target == r.Name && path.Base(f.dir) == "all":
		return "" // the table of a room's implementations
	case target == r.Name && dir == f.dir:
		return ""
	case target == r.Name:
		return "a room does not import what lies below it, and its implementations do not import each other"
	case f.test && (rooms()[target].Floor < r.Floor || dir == "internal/kube/kubetest"):
		return "" // a test may wire what lies below
	case dir != "internal/"+target:
		return fmt.Sprintf("only %s imports implementations", Top)
	case !slices.Contains(r.May, target):
		return fmt.Sprintf("%s may import only %s", r.Name, strings.Join(r.May, ", "))
	}
	return ""
}

func TestHeavyLibrariesHaveOneHome(t *testing.T) {
	homes := Homes()
	for _, f := range parse(t) {
		room := f.room()
		if room == "" || f.test {
			continue
		}
		for _, imp := range f.imports() {
			for prefix, allowed := range homes {
				if (imp == prefix || strings.HasPrefix(imp, prefix+"/")) && !slices.Contains(allowed, room) {
					t.Errorf("%s imports %s, which lives in %v only", f.path, imp, allowed)
				}
			}
		}
	}
}

func TestEveryPackageSaysWhatItIs(t *testing.T) {
	comments := map[string]string{}
	for _, f := range parse(t) {
		if f.test || (!strings.HasPrefix(f.dir, "internal/") && !strings.HasPrefix(f.dir, "cmd/")) {
			continue
		}
		if f.ast.Doc != nil && f.ast.Doc.Pos() == f.ast.Comments[0].Pos() {
			comments[f.dir] += f.ast.Doc.Text()
		} else if _, seen := comments[f.dir]; !seen {
			comments[f.dir] = ""
		}
	}
	for dir, text := range comments {
		want := "Package " + path.Base(dir) + " "
		if strings.HasPrefix(dir, "cmd/") {
			want = "Command " + path.Base(dir) + " "
		}
		if !strings.HasPrefix(text, want) {
			t.Errorf("%s: the package comment begins with %.40q, want %q", dir, text, want)
		}
	}
}

func TestExportedNamesHaveASentence(t *testing.T) {
	for _, f := range parse(t) {
		if f.test || !strings.HasPrefix(f.dir, "internal/") {
			continue
		}
		for _, decl := range f.ast.Decls {
			fn, ok := decl.(*ast.FuncDecl)
			if ok && fn.Name.IsExported() && fn.Recv == nil && !strings.HasPrefix(fn.Doc.Text(), fn.Name.Name+" ") {
				t.Errorf("%s: the comment of %s does not begin with its name", f.fset.Position(fn.Pos()), fn.Name.Name)
			}
			gen, ok := decl.(*ast.GenDecl)
			if !ok || gen.Tok != token.TYPE {
				continue
			}
			for _, spec := range gen.Specs {
				typ := spec.(*ast.TypeSpec)
				if typ.Name.IsExported() && gen.Doc == nil && typ.Doc == nil {
					t.Errorf("%s: type %s has no comment", f.fset.Position(typ.Pos()), typ.Name.Name)
				}
			}
		}
	}
}

// forbidden calls and where they may stand all the same.
var forbidden = map[string]string{
	"context.Background": "a context comes from the caller",
	"context.TODO":       "a context comes from the caller",
	"time.Sleep":         "wait in a select with ctx.Done()",
	"os.Exit":            "only main ends the process",
	"os.Setenv":          "the environment is a value",
	"os.Chdir":           "the working folder is a value",
	"log.Fatal":          "errors are returned",
}

func TestHabits(t *testing.T) {
	for _, f := range parse(t) {
		if f.test || !strings.HasPrefix(f.dir, "internal/") {
			continue
		}
		for _, decl := range f.ast.Decls {
			if fn, ok := decl.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
				t.Errorf("%s: no init functions", f.fset.Position(fn.Pos()))
			}
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.GoStmt:
				t.Errorf("%s: a bare go statement: every goroutine belongs to a group whose owner waits for it", f.fset.Position(n.Pos()))
			case *ast.SelectorExpr:
				pkg, ok := n.X.(*ast.Ident)
				if why := forbidden[name(pkg, ok, n)]; why != "" {
					t.Errorf("%s: %s: %s", f.fset.Position(n.Pos()), name(pkg, ok, n), why)
				}
			}
			return true
		})
	}
}

func name(pkg *ast.Ident, ok bool, sel *ast.SelectorExpr) string {
	if !ok {
		return ""
	}
	return pkg.Name + "." + sel.Sel.Name
}

func TestFilesStaySmall(t *testing.T) {
	for _, f := range parse(t) {
		if f.test || !strings.HasPrefix(f.dir, "internal/") {
			continue
		}
		if lines := f.fset.Position(f.ast.End()).Line; lines > 500 {
			t.Errorf("%s has %d lines: at 500 a file is split", f.path, lines)
		}
	}
}

// TestTheDocumentHasTheTable compares docs/architecture.md with Rooms, so that the page a newcomer reads is the truth.
func TestTheDocumentHasTheTable(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "architecture.md"))
	if err != nil {
		t.Fatal(err)
	}
	want := Table()
	if !strings.Contains(string(page), want) {
		t.Errorf("docs/architecture.md does not hold this table:\n%s", want)
	}
}

// TestEveryRoomOfTheTableIsKnown names rooms that exist and are missing from the table, and nothing else: a room of the table
// that is not built yet is allowed.
func TestEveryRoomOfTheTableIsKnown(t *testing.T) {
	byName := rooms()
	entries, err := os.ReadDir("..")
	if err != nil {
		t.Fatal(err)
	}
	var missing []string
	for _, e := range entries {
		if _, ok := byName[e.Name()]; e.IsDir() && !ok && e.Name() != Top {
			missing = append(missing, e.Name())
		}
	}
	sort.Strings(missing)
	if len(missing) > 0 {
		t.Errorf("rooms without a row in the table: %v", missing)
	}
}
