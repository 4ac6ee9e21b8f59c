package config

// HostHooks is `build.hooks` of the file: commands that run before and after.
type HostHooks struct {
	Before []*HostHook `yaml:"before,omitempty"` // Commands of this machine before anything is built.
	After  []*HostHook `yaml:"after,omitempty"`  // Commands of this machine when everything is built.
}

// HostHook is `build.hooks.before` of the file: commands of this machine before anything is built.
type HostHook struct {
	Command []string `yaml:"command,omitempty"` // Program and its arguments. No shell takes part: write ["sh", "-c", "…"] where one is needed.
	OS      []string `yaml:"os,omitempty"`      // Run only on these systems, as Go names them: linux, darwin, windows.
	Dir     string   `yaml:"dir,omitempty"`     // Folder in which the command runs.
}

// Sync is `build.artifacts.sync` of the file: copies changed files into the running containers where that will do, instead of building anew.
type Sync struct {
	Manual []*SyncRule `yaml:"manual,omitempty"` // Rules that say which files go where.
	Infer  []string    `yaml:"infer,omitempty"`  // Patterns of files whose place is read from COPY and ADD of the Dockerfile.
	Auto   *bool       `yaml:"auto,omitempty"`   // The builder knows what goes where: jib and buildpacks do.
	Hooks  SyncHooks   `yaml:"hooks,omitempty"`  // Commands around every copy.
}

// SyncRule is `build.artifacts.sync.manual` of the file: rules that say which files go where.
type SyncRule struct {
	Src   string `yaml:"src,omitempty"`   // Pattern of files, relative to the context. ** stands for any depth.
	Dest  string `yaml:"dest,omitempty"`  // Folder in the container. A relative one starts from the image's WORKDIR.
	Strip string `yaml:"strip,omitempty"` // Beginning of the path that is left out at the destination. src must begin with it.
}

// SyncHooks is `build.artifacts.sync.hooks` of the file: commands around every copy.
type SyncHooks struct {
	Before []*SyncHook `yaml:"before,omitempty"` // What runs first, in this order. The first one that fails ends the work.
	After  []*SyncHook `yaml:"after,omitempty"`  // What runs at the end, in this order.
}

// SyncHook is `build.artifacts.sync.hooks.before` of the file: what runs first, in this order.
type SyncHook struct {
	Host      *HostHook      `yaml:"host,omitempty"`      // A command of this machine.
	Container *ContainerHook `yaml:"container,omitempty"` // A command in a running container.
}

// ContainerHook is `build.artifacts.sync.hooks.before.container` of the file: A command in a running container.
type ContainerHook struct {
	Command []string `yaml:"command,omitempty"` // What takes the place of the image's ENTRYPOINT.
}

// RenderHooks is `manifests.hooks` of the file: commands of this machine around rendering.
type RenderHooks struct {
	Before []*RenderHook `yaml:"before,omitempty"` // What runs first, in this order. The first one that fails ends the work.
	After  []*RenderHook `yaml:"after,omitempty"`  // What runs at the end, in this order.
}

// RenderHook is `manifests.hooks.before` of the file: what runs first, in this order.
type RenderHook struct {
	Host *RenderHostHook `yaml:"host,omitempty"` // A command of this machine.
}

// DeployHooks is `deploy.helm.hooks` of the file: commands that run before and after.
type DeployHooks struct {
	Before []*DeployHook `yaml:"before,omitempty"` // What runs first, in this order. The first one that fails ends the work.
	After  []*DeployHook `yaml:"after,omitempty"`  // What runs at the end, in this order.
}

// DeployHook is `deploy.helm.hooks.before` of the file: what runs first, in this order.
type DeployHook struct {
	Host      *HostHook `yaml:"host,omitempty"`      // A command of this machine.
	Container *PodHook  `yaml:"container,omitempty"` // A command in a running container.
}

// PodHook is `deploy.helm.hooks.before.container` of the file: A command in a running container.
type PodHook struct {
	Command       []string `yaml:"command,omitempty"`       // What takes the place of the image's ENTRYPOINT.
	PodName       string   `yaml:"podName,omitempty"`       // Pods in which it runs, as a shell pattern.
	ContainerName string   `yaml:"containerName,omitempty"` // Containers in which it runs, as a shell pattern.
}

// RenderHostHook is a HostHook that may also change what was rendered.
type RenderHostHook struct {
	HostHook   `yaml:",inline"`
	WithChange bool `yaml:"withChange,omitempty"` // The output of the command takes the place of the manifests that it reads.
}
