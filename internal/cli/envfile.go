package cli

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/skiff-dev/skiff/internal/diag"
)

// readEnvFile lays the variables of skaffold.env in the working folder under the environment: what is set already wins.
func readEnvFile(w World) (func(string) (string, bool), error) {
	pairs, err := readVariables(filepath.Join(w.Dir, "skaffold.env"), "skaffold.env")
	if errors.Is(err, fs.ErrNotExist) {
		return w.Getenv, nil
	}
	if err != nil {
		return nil, err
	}
	vars := map[string]string{}
	for _, pair := range pairs {
		name, value, _ := strings.Cut(pair, "=")
		vars[name] = value
	}
	return func(name string) (string, bool) {
		if value, ok := w.Getenv(name); ok {
			return value, true
		}
		value, ok := vars[name]
		return value, ok
	}, nil
}

// readVariables reads a file of NAME=value lines; empty lines and those that begin with # are left out. name is the file in messages.
func readVariables(file, name string) ([]string, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	var out []string
	lines := bufio.NewScanner(bytes.NewReader(data))
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		key, value, ok := strings.Cut(strings.TrimPrefix(line, "export "), "=")
		if key = strings.TrimSpace(key); !ok || key == "" {
			// The line itself stays unsaid: it may be a secret.
			return nil, &diag.Error{Pos: diag.Pos{File: name, Line: n}, What: "not of the form NAME=VALUE", Hint: "write NAME=VALUE, or # in front of a remark", Code: diag.CodeConfig}
		}
		out = append(out, key+"="+unquote(strings.TrimSpace(value)))
	}
	return out, lines.Err()
}

func unquote(s string) string {
	if len(s) >= 2 && (s[0] == '"' || s[0] == '\'') && s[len(s)-1] == s[0] {
		return s[1 : len(s)-1]
	}
	return s
}
