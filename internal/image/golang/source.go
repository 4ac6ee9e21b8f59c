package golang

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/skiff-dev/skiff/internal/tree"
)

// stamp tells one state of a file from another without reading it; the zero stamp equals none of a file that exists.
type stamp = tree.Stamp

// source is one Go file: its stamp, and the digest of what decides about packages in it.
type source struct {
	Stamp stamp  `json:"stamp"`
	Shape string `json:"shape"`
}

// young is how old a file must be before its stamp proves anything: file systems have a coarse clock.
const young = 50 * time.Millisecond

func stampOf(file string) stamp {
	info, err := os.Stat(file)
	if err != nil {
		return stamp{}
	}
	return tree.StampOf(info)
}

// readFolder looks at the Go files of a folder; those whose stamp is known are not read. A folder that is missing has none.
func readFolder(dir string, known map[string]source) (map[string]source, error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !missing(err) {
		return nil, err
	}
	files := map[string]source{}
	for _, e := range entries {
		name := e.Name()
		if e.IsDir() || !goSource(name) {
			continue
		}
		path := filepath.Join(dir, name)
		info, err := os.Stat(path)
		if err != nil {
			continue // gone again, or a link to nothing
		}
		now := tree.StampOf(info)
		if old, ok := known[name]; ok && old.Stamp == now {
			files[name] = old
			continue
		}
		if time.Since(info.ModTime()) < young {
			now = stamp{}
		}
		files[name] = source{Stamp: now, Shape: shape(path)}
	}
	return files, nil
}

// goSource says whether the go command looks at a file when it builds.
func goSource(name string) bool {
	return strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go") && name[0] != '_' && name[0] != '.'
}

// shape is the digest of a file's build constraints, package, imports and embeds: as long as it stays, the program consists of
// the same packages.
func shape(path string) string {
	data, err := os.ReadFile(path)
	if err != nil {
		return "unreadable"
	}
	h := sha256.New()
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, path, data, parser.ImportsOnly|parser.ParseComments)
	if err != nil {
		h.Write(data) // whatever is changed in it may count
		return hex.EncodeToString(h.Sum(nil))
	}
	line := func(text string) { h.Write([]byte(text + "\n")) }
	line(file.Name.Name)
	for _, group := range file.Comments {
		for _, c := range group.List {
			if strings.HasPrefix(c.Text, "//go:build") || strings.HasPrefix(c.Text, "// +build") {
				line(c.Text)
			}
		}
	}
	for _, spec := range file.Imports {
		line(spec.Path.Value)
		if spec.Path.Value == `"C"` {
			line(preamble(file))
		}
	}
	for text := range bytes.Lines(data) {
		if t := bytes.TrimSpace(text); bytes.HasPrefix(t, []byte("//go:embed")) {
			line(string(t))
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}

// preamble is the comments above import "C", with their #cgo lines.
func preamble(file *ast.File) string {
	var b strings.Builder
	for _, decl := range file.Decls {
		if gen, ok := decl.(*ast.GenDecl); ok && gen.Doc != nil {
			b.WriteString(gen.Doc.Text())
		}
	}
	return b.String()
}

// refresh compares a listing with the disk. It is nil when the program may consist of other packages now; changed says that
// something but its stamps stayed the same.
func (l *listing) refresh() (still *listing, changed bool) {
	now := *l
	now.Folders, now.Singles = map[string]*folder{}, map[string]stamp{}
	for file, old := range l.Singles {
		if stampOf(file) != old {
			return nil, false
		}
		now.Singles[file] = old
	}
	for dir, old := range l.Folders {
		files, err := readFolder(dir, old.Files)
		if err != nil || len(files) != len(old.Files) {
			return nil, false
		}
		for name, f := range files {
			before, ok := old.Files[name]
			if !ok || before.Shape != f.Shape {
				return nil, false
			}
			changed = changed || before.Stamp != f.Stamp
		}
		now.Folders[dir] = &folder{Files: files, Embeds: old.Embeds, Cgo: old.Cgo}
	}
	return &now, changed
}

// distrust forgets the shape of files that were changed after a time: the listing may not be about what they are now.
func (l *listing) distrust(since time.Time) {
	for _, f := range l.Folders {
		for name, s := range f.Files {
			if s.Stamp.Modified > since.UnixNano() || s.Stamp == (stamp{}) && s.Shape == "" {
				f.Files[name] = source{}
			}
		}
	}
}
