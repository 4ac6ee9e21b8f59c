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
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
)

// corpusFloor is how many rows of the corpus give Skaffold's result. It only ever rises.
const corpusFloor = 0

// TestRealFilesGiveTheConfigurationThatSkaffoldGives loads files from many repositories, which are no part of this
// project, and compares what `diagnose --yaml-only` prints with what Skaffold printed.
func TestRealFilesGiveTheConfigurationThatSkaffoldGives(t *testing.T) {
	root := corpus(t)
	var good, unsupported int
	var bad []string
	rows := verdicts(t, root)
	for _, row := range rows {
		switch diff := compareRow(root, row); diff {
		case "":
			good++
		case "unsupported":
			unsupported++
		default:
			bad = append(bad, fmt.Sprintf("%s/%s -p %q:\n%s", row["dir"], row["path"], row["profile"], diff))
		}
	}
	t.Logf("%d of %d rows are as Skaffold has them, %d use what is not supported yet, %d differ", good, len(rows), unsupported, len(bad))
	if good < corpusFloor {
		t.Errorf("only %d rows are as Skaffold has them, it was %d", good, corpusFloor)
	}
	if good < corpusFloor || testing.Verbose() {
		for _, b := range bad {
			t.Log(b)
		}
	}
}

// corpus is the folder with the files: SKIFF_CORPUS, or a folder shared/corpus beside this module.
func corpus(t *testing.T) string {
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
	t.Skip("no corpus of real files here; set SKIFF_CORPUS to a folder that has one")
	return ""
}

func verdicts(t *testing.T, root string) []map[string]string {
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

// compareRow is how a row differs from Skaffold's verdict, "" where it does not.
func compareRow(root string, row map[string]string) string {
	repo, err := filepath.Abs(filepath.Join(root, row["dir"]))
	if err != nil {
		return err.Error()
	}
	file := filepath.Join(repo, row["path"])
	o := Options{File: filepath.Base(file), Dir: filepath.Dir(file), Command: "diagnose", ProfileAutoActivation: true}
	effective := file + ".effective.yaml"
	if p := row["profile"]; p != "" {
		o.Profiles = []string{p}
		effective = file + ".effective." + strings.ReplaceAll(p, "/", "_") + ".yaml"
	}
	p, err := Load(context.Background(), o)
	if err != nil && strings.Contains(err.Error(), "not supported yet") {
		return "unsupported"
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
