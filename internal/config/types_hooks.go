package config

// HostHooks is `build.hooks` of the file: host commands around the whole build phase of this module.
type HostHooks struct {
	Before []*HostHook `yaml:"before,omitempty"` // Host commands run first, in order.
	After  []*HostHook `yaml:"after,omitempty"`  // Host commands run last, in order.
}

// HostHook is `build.hooks.before` of the file: host commands run first, in order.
type HostHook struct {
	Command []string `yaml:"command,omitempty"` // Program and arguments, run without a shell.
	OS      []string `yaml:"os,omitempty"`      // Run only on these operating systems (Go GOOS names).
	Dir     string   `yaml:"dir,omitempty"`     // Working folder of the command.
}

// Sync is `build.artifacts.sync` of the file: copy changed files into running containers instead of rebuilding.
type Sync struct {
	Manual []*SyncRule `yaml:"manual,omitempty"` // Explicit source-to-target copy rules.
	Infer  []string    `yaml:"infer,omitempty"`  // Globs of files whose target is read from the Dockerfile copies.
	Auto   *bool       `yaml:"auto,omitempty"`   // Let the builder work out what to copy (jib, buildpacks).
	Hooks  SyncHooks   `yaml:"hooks,omitempty"`  // Commands around each copy action.
}

// SyncRule is `build.artifacts.sync.manual` of the file: explicit source-to-target copy rules.
type SyncRule struct {
	Src   string `yaml:"src,omitempty"`   // Glob (with **) relative to the context, slash separated.
	Dest  string `yaml:"dest,omitempty"`  // Target folder in the container; relative means image WORKDIR.
	Strip string `yaml:"strip,omitempty"` // Leading part removed from the source path before placing.
}

// SyncHooks is `build.artifacts.sync.hooks` of the file: commands around each copy action.
type SyncHooks struct {
	Before []*SyncHook `yaml:"before,omitempty"` // Commands before files are copied.
	After  []*SyncHook `yaml:"after,omitempty"`  // Commands after files are copied.
}

// SyncHook is `build.artifacts.sync.hooks.before` of the file: commands before files are copied.
type SyncHook struct {
	Host      *HostHook      `yaml:"host,omitempty"`      // Command on the local machine.
	Container *ContainerHook `yaml:"container,omitempty"` // Command inside every running container of the image.
}

// ContainerHook is `build.artifacts.sync.hooks.before.container` of the file: command inside every running container of the image.
type ContainerHook struct {
	Command []string `yaml:"command,omitempty"` // Program and arguments executed in the container.
}

// RenderHooks is `manifests.hooks` of the file: host commands around rendering.
type RenderHooks struct {
	Before []*RenderHook `yaml:"before,omitempty"` // Commands before rendering.
	After  []*RenderHook `yaml:"after,omitempty"`  // Commands after rendering; manifests on stdin.
}

// RenderHook is `manifests.hooks.after` of the file: commands after rendering; manifests on stdin.
type RenderHook struct {
	Host *RenderHostHook `yaml:"host,omitempty"` // Command on the local machine.
}

// DeployHooks is `deploy.kubectl.hooks` of the file: commands around this deployer.
type DeployHooks struct {
	Before []*DeployHook `yaml:"before,omitempty"` // Commands before deploying.
	After  []*DeployHook `yaml:"after,omitempty"`  // Commands after deploying.
}

// DeployHook is `deploy.kubectl.hooks.before` of the file: commands before deploying.
type DeployHook struct {
	Host      *HostHook `yaml:"host,omitempty"`      // Command on the local machine.
	Container *PodHook  `yaml:"container,omitempty"` // Command in matching containers.
}

// PodHook is `deploy.kubectl.hooks.before.container` of the file: command in matching containers.
type PodHook struct {
	Command       []string `yaml:"command,omitempty"`       // Program and arguments executed in the container.
	PodName       string   `yaml:"podName,omitempty"`       // Pod name glob.
	ContainerName string   `yaml:"containerName,omitempty"` // Container name glob.
}

// RenderHostHook is a HostHook that may also change what was rendered.
type RenderHostHook struct {
	HostHook   `yaml:",inline"`
	WithChange bool `yaml:"withChange,omitempty"` // Replace the manifests by the command's stdout.
}
