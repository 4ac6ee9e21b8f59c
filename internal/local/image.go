package local

import (
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// Image is what a Dockerfile says about an image, as far as a process needs to know it.
type Image struct {
	Name       string // of the artifact
	Context    string // absolute
	Base       string // the image that the last stage is made from
	Dir        string // the working folder in the image
	Env        []string
	Entrypoint []string
	Cmd        []string
	User       string
	Signal     string // STOPSIGNAL, if it is not SIGTERM
	Copies     []Copy
	Compiles   []Compile
	Needs      []Need
	Findings   []Finding
	Platforms  []string // "linux/arm64": what the artifact says it is for; none: anything
}

// Copy is one source of a COPY or ADD step.
type Copy struct {
	Src  string // relative to the context, slash-separated; "" is all of it
	Dest string // absolute path in the image of the file, or of the folder that takes what Src holds
	Dir  bool   // Src is a folder
	Wild bool   // Src has wildcards; what matches goes into Dest
}

// Compile is a step that makes a program out of sources, with the tools of this machine.
type Compile struct {
	Dir     string   // folder here, absolute
	Args    []string // "go", "build", … without -o
	Env     []string
	Output  string // path in the image: of the program, or of the folder
	Package string
	Rest    []string // more packages
	Folder  bool     // Output is a folder that takes every program by its own name
	From    string   // of a folder: where it is in the stage that makes it
	File    string   // the one program of a folder that is meant; Output is its path
	Base    string   // the image whose compiler the Dockerfile takes
	Line    int
}

// Layout says where the paths of an image are on this machine.
type Layout struct {
	Dir    string // the folder to run in
	Staged string // "" or the folder that holds a copy of what the Dockerfile copies
	maps   []mapping
}

type mapping struct{ image, host string }

// layout decides how the files get there. Where the working folder of the image is a view of one source folder, the process runs in
// that folder; where it is put together of several, a staged tree is kept.
func layout(img Image, stage string) Layout {
	base, straight := view(img)
	l := Layout{Dir: base}
	switch {
	case !straight:
		l.Staged = stage
		l.Dir = filepath.Join(stage, filepath.FromSlash(img.Dir))
		l.add(img.Dir, l.Dir)
	case base == "":
		l.Dir = img.Context
	case img.Dir != "/":
		l.add(img.Dir, base)
	}
	for _, c := range img.Copies {
		switch {
		case !straight:
			l.add(c.Dest, filepath.Join(stage, filepath.FromSlash(c.Dest)))
		case !c.Wild:
			l.add(c.Dest, filepath.Join(img.Context, filepath.FromSlash(c.Src)))
		}
	}
	return l
}

// view is the source folder that the image's working folder shows, "" when nothing is copied there; false when it shows several.
func view(img Image) (base string, straight bool) {
	for _, c := range img.Copies {
		rel, below := inside(img.Dir, c.Dest)
		src := c.Src
		if c.Wild {
			// What matches goes into Dest by its own name.
			if src = path.Dir(c.Src); strings.ContainsAny(src, "*?[") {
				return "", false
			}
			if src == "." {
				src = ""
			}
		}
		if !below {
			if c.Wild {
				return "", false // a folder of some files of another: only a copy is right
			}
			continue
		}
		if img.Dir == "/" && c.Dest != "/" && path.Base(c.Src) != path.Base(c.Dest) {
			continue // such an image has no folder of its own; absolute paths are mapped one by one
		}
		from := "/" + src
		if rel != "" {
			trimmed, ok := strings.CutSuffix(from, "/"+rel)
			if !ok {
				return "", false
			}
			from = trimmed
		}
		host := filepath.Join(img.Context, filepath.FromSlash(from))
		if base != "" && base != host {
			return "", false
		}
		base = host
	}
	return base, true
}

// inside is the path of p relative to dir, if it lies in it.
func inside(dir, p string) (string, bool) {
	dir, p = path.Clean(dir), path.Clean(p)
	if p == dir {
		return "", true
	}
	if dir != "/" {
		dir += "/"
	}
	return strings.CutPrefix(p, dir)
}

// add makes an image path known; what is added later wins over an equal one.
func (l *Layout) add(image, host string) {
	image = path.Clean(image)
	if image == "/" {
		return // mapping the root would map everything, for instance /usr/bin
	}
	l.maps = slices.DeleteFunc(l.maps, func(m mapping) bool { return m.image == image })
	l.maps = append(l.maps, mapping{image, host})
	slices.SortStableFunc(l.maps, func(a, b mapping) int { return len(b.image) - len(a.image) })
}

// blanks keeps a path one word of a shell.
var blanks = strings.NewReplacer(" ", `\ `, "'", `\'`, "(", `\(`, ")", `\)`, "&", `\&`, ";", `\;`)

// Host is where a path of the image is here.
func (l *Layout) Host(image string) (string, bool) {
	for _, m := range l.maps {
		if rel, ok := inside(m.image, image); ok {
			return filepath.Join(m.host, filepath.FromSlash(rel)), true
		}
	}
	return image, false
}

// Text maps every absolute path of the image that stands in a text: alone, after "=", or in a list.
func (l *Layout) Text(s string) string { return l.text(s, false) }

// Args maps a command. In the script of a shell, a path with a blank stays one word.
func (l *Layout) Args(args []string) []string {
	mapped := make([]string, len(args))
	for i, arg := range args {
		script := i > 0 && strings.HasPrefix(args[i-1], "-") && strings.HasSuffix(args[i-1], "c") && strings.HasSuffix(path.Base(args[0]), "sh")
		mapped[i] = l.text(arg, script)
	}
	return mapped
}

func (l *Layout) text(s string, script bool) string {
	if !strings.Contains(s, "/") {
		return s
	}
	var out strings.Builder
	quote := byte(0)
	for i := 0; i < len(s); {
		switch {
		case quote == 0 && (s[i] == '\'' || s[i] == '"'):
			quote = s[i]
		case s[i] == quote:
			quote = 0
		}
		if s[i] != '/' || i > 0 && !strings.ContainsRune("=:,;'\" \t\n(<>", rune(s[i-1])) || strings.HasPrefix(s[i:], "//") {
			out.WriteByte(s[i])
			i++
			continue
		}
		end := i + strings.IndexAny(s[i:]+" ", ":,;'\" \t\n)")
		host, _ := l.Host(s[i:end])
		if strings.HasSuffix(s[i:end], "/") && !strings.HasSuffix(host, "/") {
			host += "/"
		}
		if script && quote == 0 {
			host = blanks.Replace(host)
		}
		out.WriteString(host)
		i = end
	}
	return out.String()
}
