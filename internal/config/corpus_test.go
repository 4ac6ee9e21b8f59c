package config

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
)

// corpusFloor is how many rows of the corpus give Skaffold's result. It only ever rises.
const corpusFloor = 394

// TestRealFilesGiveTheConfigurationThatSkaffoldGives loads files from many repositories, which are no part of this
// project, and compares what `diagnose --yaml-only` prints with what Skaffold printed.
func TestRealFilesGiveTheConfigurationThatSkaffoldGives(t *testing.T) {
	root := corpus(t)
	var good, unsupported, completed int
	var bad []string
	rows := verdicts(t, root)
	for _, row := range rows {
		diff := compareRow(root, root, row)
		if diff == "incomplete" {
			completed++
			diff = compareRow(complete(t, root, row), root, row)
		}
		switch diff {
		case "":
			good++
		case "unsupported":
			unsupported++
		default:
			bad = append(bad, fmt.Sprintf("%s/%s -p %q:\n%s", row["dir"], row["path"], row["profile"], diff))
		}
	}
	t.Logf("%d of %d rows are as Skaffold has them, %d use what is not supported, %d differ; %d require files that the corpus lacks, for which Skaffold's own result stands in", good, len(rows), unsupported, len(bad), completed)
	if good < corpusFloor {
		t.Errorf("only %d rows are as Skaffold has them, it was %d", good, corpusFloor)
	}
	for _, b := range bad {
		t.Error(b)
	}
}

// corpus is the folder with the files: SKIFF_CORPUS, or a folder shared/corpus beside this module.
func corpus(t testing.TB) string {
	t.Helper()
	if dir := findCorpus(t); dir != "" {
		return dir
	}
	t.Skip("no corpus of real files here; set SKIFF_CORPUS to a folder that has one")
	return ""
}

// findCorpus is corpus, or "" where there is none.
func findCorpus(t testing.TB) string {
	t.Helper()
	if dir := os.Getenv("SKIFF_CORPUS"); dir != "" {
		return dir
	}
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err != nil {
			continue
		}
		found := filepath.Join(dir, "..", "shared", "corpus")
		if _, err := os.Stat(filepath.Join(found, "verdicts.tsv")); err == nil {
			return found
		}
	}
	return ""
}

func verdicts(t testing.TB, root string) []map[string]string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(root, "verdicts.tsv"))
	if err != nil {
		t.Fatal(err)
	}
	r := csv.NewReader(bytes.NewReader(data))
	r.Comma, r.LazyQuotes, r.FieldsPerRecord = '\t', true, -1
	all, err := r.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var rows []map[string]string
	for _, record := range all[1:] {
		row := map[string]string{}
		for i, name := range all[0] {
			if i < len(record) {
				row[name] = record[i]
			}
		}
		rows = append(rows, row)
	}
	return rows
}

// brokenURL is a URL that Skaffold joined to a folder as if it were a path. Here it stays a URL.
var brokenURL = regexp.MustCompile(`ROOT/[^ "]*?(https?):/`)

// complete copies the file of a row and writes those that it requires and that the corpus lacks: each from what Skaffold
// printed for it, in the order of "requires".
func complete(t *testing.T, root string, row map[string]string) string {
	t.Helper()
	made := t.TempDir()
	file := filepath.Join(row["dir"], row["path"])
	effective, err := os.ReadFile(filepath.Join(root, file+".effective.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(root, file))
	if err != nil {
		t.Fatal(err)
	}
	var c struct{ Requires []struct{ Path string } }
	if err := yaml.Unmarshal(data, &c); err != nil {
		t.Fatal(err)
	}
	documents := strings.Split(strings.ReplaceAll(string(effective), "ROOT", filepath.Join(made, row["dir"])), "---\n")
	files := map[string]string{file: string(data)}
	for i, r := range c.Requires {
		files[filepath.Join(filepath.Dir(file), r.Path, "skaffold.yaml")] = documents[i]
	}
	for name, text := range files {
		path := filepath.Join(made, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return made
}

// compareRow is how a row differs from Skaffold's verdict, "" where it does not. The file itself lies below files.
func compareRow(files, root string, row map[string]string) string {
	repo, err := filepath.Abs(filepath.Join(files, row["dir"]))
	if err != nil {
		return err.Error()
	}
	file := filepath.Join(repo, row["path"])
	o := Options{File: filepath.Base(file), Dir: filepath.Dir(file), Command: "diagnose", ProfileAutoActivation: true}
	effective := filepath.Join(root, row["dir"], row["path"]) + ".effective.yaml"
	if p := row["profile"]; p != "" {
		o.Profiles = []string{p}
		effective = strings.TrimSuffix(effective, "yaml") + strings.ReplaceAll(p, "/", "_") + ".yaml"
	}
	p, err := Load(context.Background(), o)
	if err != nil && strings.Contains(err.Error(), "is not supported") {
		return "unsupported"
	}
	if err != nil && row["diagnose_rc"] == "0" && strings.Contains(err.Error(), "the required file") {
		return "incomplete"
	}
	if row["diagnose_rc"] != "0" {
		if err == nil {
			return "Skaffold refuses it: " + row["diagnose_error"]
		}
		return ""
	}
	if err != nil {
		return err.Error()
	}
	got, err := p.YAML()
	if err != nil {
		return err.Error()
	}
	want, err := os.ReadFile(effective)
	if err != nil {
		return err.Error()
	}
	have := strings.ReplaceAll(string(got), repo, "ROOT")
	want = brokenURL.ReplaceAll(want, []byte("$1://"))
	return cmp.Diff(values(want), values([]byte(have)))
}

// values is every document of a stream as plain values.
func values(data []byte) []any {
	var all []any
	d := yaml.NewDecoder(bytes.NewReader(data))
	for {
		var v any
		err := d.Decode(&v)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			return append(all, err.Error())
		}
		all = append(all, v)
	}
}

// TestRealFilesUpgradeAsSkaffoldUpgradesThem compares the documents after the steps with what `fix` printed.
func TestRealFilesUpgradeAsSkaffoldUpgradesThem(t *testing.T) {
	root := corpus(t)
	var good, all int
	for _, row := range verdicts(t, root) {
		file := filepath.Join(root, row["dir"], row["path"])
		want, err := os.ReadFile(file + ".fixed.yaml")
		if err != nil || row["profile"] != "" {
			continue
		}
		all++
		if diff := cmp.Diff(values(want), values(upgraded(t, file))); diff != "" {
			t.Errorf("%s/%s:\n%s", row["dir"], row["path"], diff)
			continue
		}
		good++
	}
	t.Logf("%d of %d files are upgraded as Skaffold upgrades them", good, all)
}

func upgraded(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	l := &loader{format: theFormat(), project: &Project{}, files: map[string]*file{}}
	f := l.open(input{filepath.Base(name), name, data}, filepath.Dir(name))
	var b bytes.Buffer
	e := yaml.NewEncoder(&b)
	for _, d := range f.docs {
		var c Config
		if err := d.root.Decode(&c); err != nil {
			t.Fatal(err)
		}
		if err := e.Encode(&c); err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes()
}
