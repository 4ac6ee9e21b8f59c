package local

import (
	"path"
	"slices"
	"strconv"
	"strings"
)

// valued are the flags of go build whose value is the next word.
var valued = []string{"-o", "-ldflags", "-gcflags", "-asmflags", "-gccgoflags", "-tags", "-mod", "-modfile", "-p", "-buildmode", "-installsuffix", "-pkgdir", "-overlay", "-pgo", "-toolexec", "-C", "-compiler"}

// elsewhere are variables and flags that make a program for another machine, or make building it slow; here they are wrong.
var elsewhere = []string{"GOOS", "GOARCH", "GOARM", "GOAMD64", "GOPROXY", "GOFLAGS", "GOCACHE", "GOMODCACHE"}

// goBuild reads a "go build" or "go install" command: what it compiles, with which flags, and where the program goes in the image.
// dir is the folder in the image; module is the name of the module there; isFolder knows the folders of the image. A command that
// only checks or warms a cache has no Output.
func goBuild(words, env []string, dir, module string, isFolder func(string) bool) (c Compile, ok bool) {
	before, words := assignments(words)
	if len(words) < 2 || path.Base(words[0]) != "go" || words[1] != "build" && words[1] != "install" {
		return c, false
	}
	c.Args, c.Dir = []string{"go", "build"}, dir
	output, packages := c.flags(words[2:])
	if len(packages) == 0 {
		packages = []string{"."}
	}
	c.Package, c.Rest = packages[0], packages[1:]
	if len(c.Rest) == 0 {
		c.Rest = nil
	}
	bin := "/go/bin"
	for _, kv := range append(slices.Clone(env), before...) {
		name, value, _ := strings.Cut(kv, "=")
		if name == "GOBIN" && value != "" {
			bin = value
		}
		if (strings.HasPrefix(name, "CGO_") || strings.HasPrefix(name, "GO")) && !slices.Contains(elsewhere, name) {
			c.Env = append(c.Env, kv)
		}
	}
	if words[1] == "install" {
		output = bin + "/"
	}
	name, several := programName(c.Package, c.Dir, module), len(packages) > 1 || strings.Contains(c.Package, "...")
	folder := strings.HasSuffix(output, "/") || output == "." || isFolder(join(c.Dir, output))
	switch {
	case several && output == "", output == "/dev/null":
	case several:
		c.Output, c.Folder = join(c.Dir, output), true
		c.From = c.Output
	case output == "":
		c.Output = join(c.Dir, name)
	case folder:
		c.Output = join(c.Dir, output+"/"+name)
	default:
		c.Output = join(c.Dir, output)
	}
	return c, true
}

// flags takes over the flags that make a difference here; it returns where the program goes, and the packages.
func (c *Compile) flags(words []string) (output string, packages []string) {
	for rest := words; len(rest) > 0; rest = rest[1:] {
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
			c.Dir = join(c.Dir, value)
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
	return output, packages
}

// makes says whether a folder will hold a program of this name, as far as the packages tell.
func (c Compile) makes(name string) bool {
	return slices.ContainsFunc(append([]string{c.Package}, c.Rest...), func(pkg string) bool {
		return strings.Contains(pkg, "...") || programName(pkg, c.Dir, "") == name
	})
}

// programName is what go build calls a program without -o.
func programName(pkg, dir, module string) string {
	switch {
	case strings.HasSuffix(pkg, ".go"):
		return strings.TrimSuffix(path.Base(pkg), ".go")
	case path.Clean(pkg) == "." && module != "":
		pkg = module
	case path.Clean(pkg) == ".":
		return path.Base(dir)
	}
	if base := path.Base(pkg); majorVersion(base) && path.Dir(pkg) != "." {
		return path.Base(path.Dir(pkg)) // example.com/tool/v2 makes "tool"
	}
	return path.Base(pkg)
}

func majorVersion(name string) bool {
	n, err := strconv.Atoi(strings.TrimPrefix(name, "v"))
	return err == nil && n > 1 && name[0] == 'v'
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
