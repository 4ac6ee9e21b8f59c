package local

import (
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// Need is what a RUN step installs into the image, and the machine has to provide instead.
type Need struct {
	Kind    string // "python", "node", "system", …
	Names   []string
	Install string // what would install it into the project's own environment
	Text    string // the step
	Line    int
}

// installers are the commands that install packages: the words that they begin with.
var installers = []struct {
	kind  string
	words []string
}{
	{"python", []string{"pip", "install"}}, {"python", []string{"pip3", "install"}}, {"python", []string{"python", "-m", "pip", "install"}},
	{"python", []string{"python3", "-m", "pip", "install"}}, {"python", []string{"poetry", "install"}}, {"python", []string{"uv", "sync"}},
	{"node", []string{"npm", "ci"}}, {"node", []string{"npm", "install"}}, {"node", []string{"npm", "i"}}, {"node", []string{"yarn"}},
	{"node", []string{"pnpm", "install"}}, {"node", []string{"pnpm", "i"}},
	{"ruby", []string{"bundle", "install"}}, {"ruby", []string{"gem", "install"}}, {"php", []string{"composer", "install"}},
	{"system", []string{"apt-get", "install"}}, {"system", []string{"apt", "install"}}, {"system", []string{"apk", "add"}},
	{"system", []string{"yum", "install"}}, {"system", []string{"dnf", "install"}}, {"system", []string{"microdnf", "install"}},
	{"go", []string{"go", "install"}},
}

// harmless are commands that change nothing which a process on this machine would miss.
var harmless = []string{"mkdir", "chmod", "chown", "adduser", "addgroup", "useradd", "groupadd", "rm", "touch", "true", "echo", "set", "cd", "ln", "ls", "cat"}

// needOf reads one command of a RUN step as the installation of packages.
func needOf(words []string, line int) (Need, bool) {
	_, words = assignments(words)
	plain := slices.DeleteFunc(slices.Clone(words), func(w string) bool { return strings.HasPrefix(w, "-") && w != "-m" && w != "-r" })
	for _, i := range installers {
		if len(plain) < len(i.words) || !slices.Equal(plain[:len(i.words)], i.words) {
			continue
		}
		n := Need{Kind: i.kind, Names: plain[len(i.words):], Text: strings.Join(words, " "), Line: line}
		switch i.kind {
		case "python":
			n.Install = "python3 -m venv .venv && .venv/bin/pip install " + strings.Join(n.Names, " ")
		case "node":
			n.Install = strings.Join(words, " ")
		case "system":
			n.Install = "install " + strings.Join(n.Names, ", ")
		default:
			n.Install = strings.Join(words, " ")
		}
		return n, true
	}
	return Need{}, false
}

// idle says whether a command of a RUN step needs no word.
func idle(words []string) bool {
	_, words = assignments(words)
	if len(words) == 0 {
		return true
	}
	name := path.Base(words[0])
	return slices.Contains(harmless, name) || name == "go" && len(words) > 1 && slices.Contains([]string{"mod", "env", "version", "generate", "vet", "test"}, words[1]) ||
		(name == "apt-get" || name == "apt" || name == "apk") && !slices.Contains(words, "install") && !slices.Contains(words, "add")
}

// provided says what the machine lacks of what a RUN step installs, as far as that is cheap to find out.
func (p *planner) provided(d *draft, c *container, n Need) {
	missing, known := []string(nil), false
	switch n.Kind {
	case "node":
		known = true
		if !p.Host.IsDir(filepath.Join(c.layout.Dir, "node_modules")) && !p.Host.IsDir(filepath.Join(c.image.Context, "node_modules")) {
			missing = []string{"node_modules"}
		}
	case "python":
		names := p.requirements(c, n.Names)
		if p.Host.Lacks != nil && len(names) > 0 {
			path := p.tools(c)
			missing, known = p.Host.Lacks(n.Kind, names, path), true
		}
	}
	switch {
	case len(missing) > 0:
		p.find(Gap, d, c, "packages", "in "+c.image.Context+": "+n.Install, "the host must provide %s (Dockerfile:%d: %s)", strings.Join(missing, ", "), n.Line, n.Text)
	case known:
		p.find(Differs, d, c, "packages", "", "the host's own packages are used (Dockerfile:%d: %s)", n.Line, n.Text)
	default:
		p.find(Differs, d, c, "packages", n.Install, "the host must provide what is not installed here (Dockerfile:%d: %s)", n.Line, n.Text)
	}
}

// requirements are the names of python packages, with those of a requirements file.
func (p *planner) requirements(c *container, words []string) []string {
	var names []string
	for i := 0; i < len(words); i++ {
		if words[i] != "-r" || i+1 == len(words) {
			if !strings.HasPrefix(words[i], "-") && !strings.HasPrefix(words[i], ".") && !strings.Contains(words[i], "/") {
				names = append(names, requirement(words[i]))
			}
			continue
		}
		i++
		file, mapped := c.layout.Host(join(c.image.Dir, words[i]))
		if !mapped {
			file = filepath.Join(c.layout.Dir, filepath.Base(words[i]))
		}
		data, err := p.Host.Read(file)
		if err != nil {
			data, _ = p.Host.Read(filepath.Join(c.image.Context, filepath.Base(words[i])))
		}
		for line := range strings.Lines(string(data)) {
			line, _, _ = strings.Cut(strings.TrimSpace(line), "#")
			if name := requirement(line); name != "" && !strings.HasPrefix(name, "-") {
				names = append(names, name)
			}
		}
	}
	return names
}

// requirement is the name in "flask[async]>=2.0 ; python_version > '3'".
func requirement(text string) string {
	if i := strings.IndexAny(text, "=<>!~[;@ "); i >= 0 {
		text = text[:i]
	}
	return strings.TrimSpace(text)
}
