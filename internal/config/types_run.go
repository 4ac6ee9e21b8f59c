package config

// TestCase is `test` of the file: tests run on built images.
type TestCase struct {
	Image              string        `yaml:"image,omitempty"`              // Artifact under test.
	Context            string        `yaml:"context,omitempty"`            // Folder of the test files.
	Custom             []*CustomTest `yaml:"custom,omitempty"`             // User commands as tests.
	StructureTests     []string      `yaml:"structureTests,omitempty"`     // Globs of container-structure-test files.
	StructureTestsArgs []string      `yaml:"structureTestsArgs,omitempty"` // Extra arguments for that tool.
}

// CustomTest is `test.custom` of the file: user commands as tests.
type CustomTest struct {
	Command        string            `yaml:"command,omitempty"`        // Shell command; non-zero exit fails.
	TimeoutSeconds int               `yaml:"timeoutSeconds,omitempty"` // Time limit in seconds.
	Dependencies   *TestDependencies `yaml:"dependencies,omitempty"`   // Files that re-run the test.
}

// TestDependencies is `test.custom.dependencies` of the file: files that re-run the test.
type TestDependencies struct {
	Command string   `yaml:"command,omitempty"` // Shell command printing a JSON list of files.
	Paths   []string `yaml:"paths,omitempty"`   // Globs to watch.
	Ignore  []string `yaml:"ignore,omitempty"`  // Globs to leave out; only with paths.
}

// PortForward is `portForward` of the file: ports to forward to the local machine.
type PortForward struct {
	ResourceType string    `yaml:"resourceType,omitempty"` // Kind of object.
	ResourceName string    `yaml:"resourceName,omitempty"` // Object name (or image name for container).
	Namespace    string    `yaml:"namespace,omitempty"`    // Namespace of the object.
	Port         IntOrName `yaml:"port,omitempty"`         // Remote port number or name.
	Address      string    `yaml:"address,omitempty"`      // Local address to listen on.
	LocalPort    int       `yaml:"localPort,omitempty"`    // Wanted local port; another is used if taken.
}

// ResourceSelector is `resourceSelector` of the file: which objects and fields may be changed.
type ResourceSelector struct {
	Allow []*ResourceFilter `yaml:"allow,omitempty"` // Kinds to change, added to built-in ones.
	Deny  []*ResourceFilter `yaml:"deny,omitempty"`  // Kinds or fields to leave alone.
}

// ResourceFilter is `resourceSelector.allow` of the file: kinds to change, added to built-in ones.
type ResourceFilter struct {
	GroupKind string   `yaml:"groupKind,omitempty"` // Kind.group text.
	Image     []string `yaml:"image,omitempty"`     // Field paths holding images; .* means any image key.
	Labels    []string `yaml:"labels,omitempty"`    // Field paths for labels; .* means every metadata.
	PodSpec   []string `yaml:"podSpec,omitempty"`   // Field paths of pod specs; .* means every spec.
}

// VerifyTest is `verify` of the file: containers run as checks by verify.
type VerifyTest struct {
	Name          string          `yaml:"name,omitempty"`          // Unique check name.
	Timeout       *int            `yaml:"timeout,omitempty"`       // Time limit in seconds.
	Container     VerifyContainer `yaml:"container,omitempty"`     // Container to run.
	ExecutionMode ExecutionMode   `yaml:"executionMode,omitempty"` // Where the container runs.
}

// VerifyContainer is `verify.container` of the file: container to run.
type VerifyContainer struct {
	Name    string    `yaml:"name,omitempty"`    // Unique container name.
	Image   string    `yaml:"image,omitempty"`   // Artifact name or any image.
	Command []string  `yaml:"command,omitempty"` // Entrypoint override.
	Args    []string  `yaml:"args,omitempty"`    // Arguments override.
	Env     []*EnvVar `yaml:"env,omitempty"`     // Environment of the container.
}

// EnvVar is `verify.container.env` of the file: environment of the container.
type EnvVar struct {
	Name  string `yaml:"name,omitempty"`  // Variable name.
	Value string `yaml:"value,omitempty"` // Variable value.
}

// ExecutionMode is `verify.executionMode` of the file: where the container runs.
type ExecutionMode struct {
	Local             *LocalMode   `yaml:"local,omitempty"`             // Run with local docker.
	KubernetesCluster *ClusterMode `yaml:"kubernetesCluster,omitempty"` // Run as a Kubernetes Job.
}

// LocalMode is `verify.executionMode.local` of the file: run with local docker.
type LocalMode struct {
	UseLocalImages bool `yaml:"useLocalImages,omitempty"` // Use an image already present before pulling.
}

// ClusterMode is `verify.executionMode.kubernetesCluster` of the file: run as a Kubernetes Job.
type ClusterMode struct {
	Overrides       string `yaml:"overrides,omitempty"`       // JSON merged over the Job.
	JobManifestPath string `yaml:"jobManifestPath,omitempty"` // Job manifest to start from.
}

// CustomAction is `customActions` of the file: named container groups run by exec.
type CustomAction struct {
	Name          string             `yaml:"name,omitempty"`          // Unique action name.
	FailFast      *bool              `yaml:"failFast,omitempty"`      // Stop the others when one fails.
	Timeout       *int               `yaml:"timeout,omitempty"`       // Time limit in seconds for the action.
	ExecutionMode ExecutionMode      `yaml:"executionMode,omitempty"` // Where the containers run.
	Containers    []*VerifyContainer `yaml:"containers,omitempty"`    // Containers run in parallel; at least one.
}
