package config

// TestCase is `test` of the file: what is tried on images before they are deployed.
type TestCase struct {
	Image              string        `yaml:"image,omitempty"`              // Image to try.
	Context            string        `yaml:"context,omitempty"`            // Folder of the tests.
	Custom             []*CustomTest `yaml:"custom,omitempty"`             // Commands of yours.
	StructureTests     []string      `yaml:"structureTests,omitempty"`     // Patterns of files for container-structure-test.
	StructureTestsArgs []string      `yaml:"structureTestsArgs,omitempty"` // More arguments for it.
}

// CustomTest is `test.custom` of the file: commands of yours.
type CustomTest struct {
	Command        string            `yaml:"command,omitempty"`        // Shell command. It finds the image in $IMAGE, and fails the test with a code other than 0.
	TimeoutSeconds int               `yaml:"timeoutSeconds,omitempty"` // How long it may take. 0 is no limit.
	Dependencies   *TestDependencies `yaml:"dependencies,omitempty"`   // Which files make it run again.
}

// TestDependencies is `test.custom.dependencies` of the file: which files make it run again.
type TestDependencies struct {
	Command string   `yaml:"command,omitempty"` // Command that prints the files as a JSON list.
	Paths   []string `yaml:"paths,omitempty"`   // Patterns of those files.
	Ignore  []string `yaml:"ignore,omitempty"`  // Patterns of files that do not count.
}

// PortForward is `portForward` of the file: ports of the cluster that are reached on this machine.
type PortForward struct {
	ResourceType string    `yaml:"resourceType,omitempty"` // Kind of the object.
	ResourceName string    `yaml:"resourceName,omitempty"` // Name of the object.
	Namespace    string    `yaml:"namespace,omitempty"`    // Its namespace.
	Port         IntOrName `yaml:"port,omitempty"`         // Port over there: a number or a name.
	Address      string    `yaml:"address,omitempty"`      // Address to listen on.
	LocalPort    int       `yaml:"localPort,omitempty"`    // Port here. Another one is taken where it is in use.
}

// ResourceSelector is `resourceSelector` of the file: which kinds of objects are changed: where images and labels are put in.
type ResourceSelector struct {
	Allow []*ResourceFilter `yaml:"allow,omitempty"` // Kinds that are changed, besides those that are known.
	Deny  []*ResourceFilter `yaml:"deny,omitempty"`  // Kinds that are left alone, or parts of them.
}

// ResourceFilter is `resourceSelector.allow` of the file: kinds that are changed, besides those that are known.
type ResourceFilter struct {
	GroupKind string   `yaml:"groupKind,omitempty"` // Kind and group, such as Rollout.argoproj.io.
	Image     []string `yaml:"image,omitempty"`     // Where images stand. .* is every field named image.
	Labels    []string `yaml:"labels,omitempty"`    // Where labels go. .* is every metadata.
	PodSpec   []string `yaml:"podSpec,omitempty"`   // Where pods are described. .* is every spec.
}

// VerifyTest is `verify` of the file: containers that check what was deployed.
type VerifyTest struct {
	Name          string          `yaml:"name,omitempty"`          // Name of the check.
	Timeout       *int            `yaml:"timeout,omitempty"`       // How many seconds it may take.
	Container     VerifyContainer `yaml:"container,omitempty"`     // What runs.
	ExecutionMode ExecutionMode   `yaml:"executionMode,omitempty"` // Where it runs.
}

// VerifyContainer is `verify.container` of the file: what runs.
type VerifyContainer struct {
	Name    string    `yaml:"name,omitempty"`    // Name of the container.
	Image   string    `yaml:"image,omitempty"`   // Image of this project, or any other.
	Command []string  `yaml:"command,omitempty"` // What takes the place of the image's ENTRYPOINT.
	Args    []string  `yaml:"args,omitempty"`    // What takes the place of the image's CMD.
	Env     []*EnvVar `yaml:"env,omitempty"`     // Variables that the container sees.
}

// EnvVar is `verify.container.env` of the file: variables that the container sees.
type EnvVar struct {
	Name  string `yaml:"name,omitempty"`  // Name of the variable.
	Value string `yaml:"value,omitempty"` // Its value.
}

// ExecutionMode is `verify.executionMode` of the file: where it runs.
type ExecutionMode struct {
	Local             *LocalMode   `yaml:"local,omitempty"`             // In a container on this machine.
	KubernetesCluster *ClusterMode `yaml:"kubernetesCluster,omitempty"` // As a Job in the cluster.
}

// LocalMode is `verify.executionMode.local` of the file: in a container on this machine.
type LocalMode struct {
	UseLocalImages bool `yaml:"useLocalImages,omitempty"` // Take an image of this machine before asking the registry.
}

// ClusterMode is `verify.executionMode.kubernetesCluster` of the file: as a Job in the cluster.
type ClusterMode struct {
	Overrides       string `yaml:"overrides,omitempty"`       // JSON that is laid over the Job.
	JobManifestPath string `yaml:"jobManifestPath,omitempty"` // Manifest of a Job to start from.
}

// CustomAction is `customActions` of the file: work of yours that skaffold exec runs.
type CustomAction struct {
	Name          string             `yaml:"name,omitempty"`          // Name of the action.
	FailFast      *bool              `yaml:"failFast,omitempty"`      // End the others when one container fails.
	Timeout       *int               `yaml:"timeout,omitempty"`       // How many seconds it may take.
	ExecutionMode ExecutionMode      `yaml:"executionMode,omitempty"` // Where it runs.
	Containers    []*VerifyContainer `yaml:"containers,omitempty"`    // What runs, side by side.
}
