package local

import (
	"path"
	"path/filepath"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// command is what runs: the manifest's command and arguments over the Dockerfile's, with paths, ports and Service names as they are
// here.
func (p *planner) command(d *draft, c *container) {
	args := c.argv()
	if c.own.Command != "" {
		args = shellOf(p.Host.OS, c.own.Command)
	}
	if len(args) == 0 {
		p.find(Broken, d, c, "command", "give the container a command in the manifest, or the Dockerfile a CMD",
			"neither the manifest nor the Dockerfile names a command%s", fromBase(c.image))
		return
	}
	env := vars(c.process.Env)
	for i, arg := range args {
		args[i] = p.rewrite(c.renumberArg(references(arg, env)))
	}
	args = c.layout.Args(args)
	if c.own.Command == "" {
		args[0] = p.program(c, args[0])
	}
	c.process.Args, c.process.Dir = args, c.layout.Dir
	if c.own.Dir != "" && !p.Host.IsDir(c.layout.Dir) {
		p.find(Broken, d, c, "settings", "make it, or correct dir in skiff.yaml", "the folder %s is not there", c.layout.Dir)
	}
	if p.compiled(args[0]) {
		return // it is made before it is run
	}
	program := args[0]
	if words, simple := commands(c.own.Command); simple && len(words) == 1 && len(words[0]) > 0 {
		program = words[0][0] // the shell is there; what it is to start may not be
	}
	if _, err := p.Host.Look(program, c.layout.Dir, c.process.Env); err != nil {
		hint := "install " + program + ", or say in skiff.yaml how it runs here: local: {services: {" + c.Name + ": {command: …}}}"
		if d.external {
			hint = "install " + program + ", or say in skiff.yaml where one runs: local: {external: {" + c.Name + ": {address: HOST:PORT}}}"
		}
		p.find(Broken, d, c, "program", hint, "%q is not on this machine", program)
	}
}

// compiled says whether a path is that of a program which is compiled here.
func (p *planner) compiled(path string) bool {
	return strings.HasPrefix(path, filepath.Join(p.State, "bin")+string(filepath.Separator))
}

// argv is the command as the image sees it.
func (c *container) argv() []string {
	switch {
	case len(c.Command) > 0:
		return slices.Concat(c.Command, c.Args)
	case len(c.Args) > 0:
		return slices.Concat(c.image.Entrypoint, c.Args)
	}
	return slices.Concat(c.image.Entrypoint, c.image.Cmd)
}

// program finds what the first word means: a program that is compiled here (also by its bare name), or one of this machine under its
// usual other name.
func (p *planner) program(c *container, name string) string {
	for _, compiled := range c.image.Compiles {
		program := Program(p.State, c.image.Name, compiled)
		switch {
		case filepath.IsAbs(name):
		case compiled.Folder && compiled.makes(path.Base(name)):
			return filepath.Join(program, path.Base(name))
		case !compiled.Folder && path.Base(compiled.Output) == path.Base(name):
			return program
		}
	}
	if p.compiled(name) {
		return name
	}
	look := func(n string) bool { _, err := p.Host.Look(n, c.layout.Dir, c.process.Env); return err == nil }
	if look(name) {
		return name
	}
	// /usr/bin/python3 of the image is the python3 of this machine.
	if base := path.Base(name); filepath.IsAbs(name) && look(base) {
		name = base
	}
	for _, pair := range [][2]string{{"python", "python3"}, {"python3", "python"}, {"pip", "pip3"}, {"nodejs", "node"}, {"ash", "sh"}, {"bash", "sh"}} {
		if path.Base(name) == pair[0] && look(pair[1]) {
			return pair[1]
		}
	}
	return name
}

func shellOf(os, command string) []string {
	if os == "windows" {
		return []string{"cmd", "/c", command}
	}
	return []string{"sh", "-c", command}
}

func fromBase(i Image) string {
	if i.Base == "" || i.Base == "scratch" {
		return ""
	}
	return "; that of the base image " + i.Base + " is not known here"
}

// unsupported lists what of the container means nothing on this machine.
func (p *planner) unsupported(d *draft, c *container) {
	differ := func(topic, format string, args ...any) { p.find(Differs, d, c, topic, "", format, args...) }
	if c.image.User != "" {
		differ("user", "runs as you, not as %s", c.image.User)
	}
	if s := c.SecurityContext; s != nil {
		if s.RunAsUser != nil {
			differ("user", "runs as you, not as user %d", *s.RunAsUser)
		}
		if isTrue(s.ReadOnlyRootFilesystem) {
			differ("security", "may write where you may: readOnlyRootFilesystem is not applied")
		}
		if isTrue(s.Privileged) || s.Capabilities != nil {
			differ("security", "privileges and capabilities are not applied")
		}
	} else if s := d.pod.SecurityContext; s != nil && s.RunAsUser != nil {
		differ("user", "runs as you, not as user %d", *s.RunAsUser)
	}
	if len(c.Resources.Limits) > 0 {
		differ("resources", "limits are not applied")
	}
	if d.pod.HostNetwork || d.pod.DNSConfig != nil {
		differ("network", "hostNetwork and dnsConfig are not applied")
	}
	if c.Stdin || c.TTY {
		differ("terminal", "stdin and tty are not there")
	}
	if c.RestartPolicy != nil && !c.init && *c.RestartPolicy != corev1.ContainerRestartPolicyAlways {
		differ("restart", "the container's own restartPolicy is not applied")
	}
	p.recipe(d, c)
}

// recipe lists what of the Dockerfile is not done here.
func (p *planner) recipe(d *draft, c *container) {
	if c.init {
		return
	}
	if p.Host.OS != "linux" {
		p.find(Differs, d, c, "system", "", "runs on %s, not on linux", p.Host.OS)
	}
	p.architecture(d, c)
	p.versions(d, c)
	if c.image.Signal != "" {
		p.find(Differs, d, c, "signal", "", "ends by SIGTERM, not by %s", c.image.Signal)
	}
	for _, n := range c.image.Needs {
		p.provided(d, c, n)
	}
	for _, f := range c.image.Findings {
		f.Where = c.where
		if f.Level == Broken {
			d.broken = true
		}
		p.plan.Findings = append(p.plan.Findings, f)
	}
}
