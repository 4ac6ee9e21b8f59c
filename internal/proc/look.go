package proc

import (
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/skiff-dev/skiff/internal/diag"
)

// Look finds a program as a process with this folder and this environment would: a name with a slash is a path, any other is looked
// up in PATH.
func Look(name, dir string, env []string) (string, error) {
	if name == "" {
		return "", diag.Errorf("", "the command is empty")
	}
	if strings.ContainsAny(name, `/`+string(filepath.Separator)) {
		path := name
		if !filepath.IsAbs(path) {
			path = filepath.Join(dir, path)
		}
		if found := runnable(path, env); found != "" {
			return found, nil
		}
		return "", diag.Errorf("", "%s is no program that can be run", name)
	}
	for _, folder := range filepath.SplitList(value(env, "PATH")) {
		if folder == "" {
			continue // the working folder is never meant
		}
		if !filepath.IsAbs(folder) {
			folder = filepath.Join(dir, folder)
		}
		if found := runnable(filepath.Join(folder, name), env); found != "" {
			return found, nil
		}
	}
	return "", diag.Errorf("install "+name+", or put it on the PATH", "%q is not on the PATH", name)
}

// runnable is the path of a program that is there, "" when it is not.
func runnable(path string, env []string) string {
	names := []string{path}
	if runtime.GOOS == "windows" {
		endings := strings.Split(strings.ToLower(value(env, "PATHEXT")), ";")
		if slices.Equal(endings, []string{""}) {
			endings = []string{".com", ".exe", ".bat", ".cmd"}
		}
		if !slices.Contains(endings, strings.ToLower(filepath.Ext(path))) {
			names = nil
			for _, e := range endings {
				names = append(names, path+e)
			}
		}
	}
	for _, name := range names {
		info, err := os.Stat(name)
		if err == nil && !info.IsDir() && (runtime.GOOS == "windows" || info.Mode()&0o111 != 0) {
			return name
		}
	}
	return ""
}

// value is a variable of an environment; the last one of a name counts.
func value(env []string, name string) string {
	for _, kv := range slices.Backward(env) {
		key, v, _ := strings.Cut(kv, "=")
		if key == name || runtime.GOOS == "windows" && strings.EqualFold(key, name) {
			return v
		}
	}
	return ""
}
