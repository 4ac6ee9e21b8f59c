package local

import (
	"path"
	"slices"
	"strings"
)

// valued are the flags of go build whose value is the next word.
var valued = []string{"-o", "-ldflags", "-gcflags", "-asmflags", "-gccgoflags", "-tags", "-mod", "-modfile", "-p", "-buildmode", "-installsuffix", "-pkgdir", "-overlay", "-pgo", "-toolexec", "-C", "-compiler"}

// elsewhere are variables and flags that make a program for another machine, or make building it slow; here they are wrong.
var elsewhere = []string{"GOOS", "GOARCH", "GOARM", "GOAMD64", "GOPROXY", "GOFLAGS", "GOCACHE", "GOMODCACHE"}

// goBuild reads a "go build" or "go install" command: what it compiles, with which flags, and where the program goes in the image.
// dir is the folder in the image; module is the name of the module there.
func goBuild(words, env []string, dir, module string) (c Compile, ok bool) {
	before, words := assignments(words)
	if len(words) < 2 || path.Base(words[0]) != "go" || words[1] != "build" && words[1] != "install" {
		return c, false
	}
	c.Args = []string{"go", "build"}
	output := ""
	var packages []string
	for rest := words[2:]; len(rest) > 0; rest = rest[1:] {
		word := rest[0]
		if !strings.HasPrefix(word, "-") {
			packages = append(packages, word)
			continue
		}
		flag, value, inline := strings.Cut("-"+strings.TrimLeft(word, "-"), "=")
		if !inline && slices.Contains(valued, flag) && len(rest) > 1 {
			rest = rest[1:]
			value, inline = rest[0], true
		}
		switch flag {
		case "-o":
			output = value
		case "-C":
			dir = join(dir, value)
		case "-a", "-v", "-x", "-n", "-i", "-work":
		case "-mod":
			if value == "vendor" {
				c.Args = append(c.Args, "-mod=vendor")
			}
		default:
			if inline {
				flag += "=" + value
			}
			c.Args = append(c.Args, flag)
		}
	}
	if len(packages) > 1 {
		return c, false
	}
	c.Package = "."
	if len(packages) == 1 {
		c.Package = packages[0]
	}
	for _, kv := range append(slices.Clone(env), before...) {
		name, _, _ := strings.Cut(kv, "=")
		if (strings.HasPrefix(name, "CGO_") || strings.HasPrefix(name, "GO")) && !slices.Contains(elsewhere, name) {
			c.Env = append(c.Env, kv)
		}
	}
	name := programName(c.Package, dir, module)
	switch {
	case words[1] == "install":
		c.Output = "/go/bin/" + name
	case output == "":
		c.Output = join(dir, name)
	case strings.HasSuffix(output, "/") || output == ".":
		c.Output = join(dir, output+"/"+name)
	default:
		c.Output = join(dir, output)
	}
	c.Dir = dir
	return c, true
}

// programName is what go build calls a program without -o.
func programName(pkg, dir, module string) string {
	switch {
	case strings.HasSuffix(pkg, ".go"):
		return strings.TrimSuffix(path.Base(pkg), ".go")
	case path.Clean(pkg) == "." && module != "":
		return path.Base(module)
	case path.Clean(pkg) == ".":
		return path.Base(dir)
	}
	return path.Base(pkg)
}

// moduleName is the name in a go.mod file.
func moduleName(data []byte) string {
	for line := range strings.Lines(string(data)) {
		if rest, ok := strings.CutPrefix(strings.TrimSpace(line), "module "); ok {
			return strings.Trim(strings.TrimSpace(rest), `"`)
		}
	}
	return ""
}

// join is a path as seen from a folder of the image.
func join(dir, p string) string {
	if path.IsAbs(p) {
		return path.Clean(p)
	}
	return path.Join("/", dir, p)
}
