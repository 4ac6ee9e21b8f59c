package config

// DeployConfig is `deploy` of the file: how manifests reach the target.
type DeployConfig struct {
	Docker                        *DockerDeploy   `yaml:"docker,omitempty"`                        // Run images as local containers.
	Helm                          *HelmDeploy     `yaml:"helm,omitempty"`                          // Install with helm.
	Kpt                           *KptDeploy      `yaml:"kpt,omitempty"`                           // Apply with kpt live.
	Kubectl                       *KubectlDeploy  `yaml:"kubectl,omitempty"`                       // Apply with kubectl.
	CloudRun                      *CloudRunDeploy `yaml:"cloudrun,omitempty"`                      // Deploy to Google Cloud Run.
	StatusCheck                   *bool           `yaml:"statusCheck,omitempty"`                   // Wait for deployed objects to settle.
	StatusCheckDeadlineSeconds    int             `yaml:"statusCheckDeadlineSeconds,omitempty"`    // Waiting limit; largest value of all modules.
	TolerateFailuresUntilDeadline bool            `yaml:"tolerateFailuresUntilDeadline,omitempty"` // Do not fail before the deadline.
	KubeContext                   string          `yaml:"kubeContext,omitempty"`                   // Cluster to deploy to.
	Logs                          Logs            `yaml:"logs,omitempty"`                          // Log output settings.
}

// DockerDeploy is `deploy.docker` of the file: run images as local containers.
type DockerDeploy struct {
	UseCompose bool     `yaml:"useCompose,omitempty"` // Not implemented: deploying fails with it.
	Images     []string `yaml:"images,omitempty"`     // Artifacts to run.
}

// HelmDeploy is `deploy.helm` of the file: install with helm.
type HelmDeploy struct {
	Concurrency *int           `yaml:"concurrency,omitempty"` // Parallel installs per dependency level.
	Releases    []*HelmRelease `yaml:"releases,omitempty"`    // Releases to install.
	Flags       HelmFlags      `yaml:"flags,omitempty"`       // Extra helm flags.
	Hooks       DeployHooks    `yaml:"hooks,omitempty"`       // Commands around this deployer.
}

// KptDeploy is `deploy.kpt` of the file: apply with kpt live.
type KptDeploy struct {
	Dir              string   `yaml:"dir,omitempty"`              // Folder to apply.
	ApplyFlags       []string `yaml:"applyFlags,omitempty"`       // Flags for kpt live apply.
	Flags            []string `yaml:"flags,omitempty"`            // Flags for every kpt call.
	Name             string   `yaml:"name,omitempty"`             // Inventory object name.
	InventoryID      string   `yaml:"inventoryID,omitempty"`      // Inventory identifier.
	Namespace        string   `yaml:"namespace,omitempty"`        // Inventory namespace.
	Force            bool     `yaml:"force,omitempty"`            // Overwrite existing inventory values.
	DefaultNamespace *string  `yaml:"defaultNamespace,omitempty"` // Namespace when none is given.
}

// KubectlDeploy is `deploy.kubectl` of the file: apply with kubectl.
type KubectlDeploy struct {
	Flags            KubectlFlags `yaml:"flags,omitempty"`            // Extra kubectl flags.
	RemoteManifests  []string     `yaml:"remoteManifests,omitempty"`  // Accepted but never read; use manifests.remoteManifests.
	DefaultNamespace *string      `yaml:"defaultNamespace,omitempty"` // Namespace when -n is absent.
	Hooks            DeployHooks  `yaml:"hooks,omitempty"`            // Commands around this deployer.
}

// KubectlFlags is `deploy.kubectl.flags` of the file: extra kubectl flags.
type KubectlFlags struct {
	Global            []string `yaml:"global,omitempty"`            // Flags on every kubectl call.
	Apply             []string `yaml:"apply,omitempty"`             // Flags on apply.
	Delete            []string `yaml:"delete,omitempty"`            // Flags on delete.
	DisableValidation bool     `yaml:"disableValidation,omitempty"` // Pass --validate=false.
}

// CloudRunDeploy is `deploy.cloudrun` of the file: deploy to Google Cloud Run.
type CloudRunDeploy struct {
	ProjectID string    `yaml:"projectid,omitempty"` // Target project.
	Region    string    `yaml:"region,omitempty"`    // Target region; required here or by flag.
	Hooks     HostHooks `yaml:"hooks,omitempty"`     // Host commands around this deployer.
}

// Logs is `deploy.logs` of the file: log output settings.
type Logs struct {
	Prefix    string    `yaml:"prefix,omitempty"`    // What precedes each log line.
	JSONParse JSONParse `yaml:"jsonParse,omitempty"` // Pick fields from JSON log lines.
}

// JSONParse is `deploy.logs.jsonParse` of the file: pick fields from JSON log lines.
type JSONParse struct {
	Fields []string `yaml:"fields,omitempty"` // Top-level fields to print.
}
