package config

// DeployConfig is `deploy` of the file: how the objects reach the cluster.
type DeployConfig struct {
	Docker                        *DockerDeploy   `yaml:"docker,omitempty"`                        // Run the images as containers on this machine.
	Helm                          *HelmDeploy     `yaml:"helm,omitempty"`                          // Install charts as releases of helm.
	Kpt                           *KptDeploy      `yaml:"kpt,omitempty"`                           // Apply with kpt.
	Kubectl                       *KubectlDeploy  `yaml:"kubectl,omitempty"`                       // Apply the objects as they are.
	CloudRun                      *CloudRunDeploy `yaml:"cloudrun,omitempty"`                      // Hand the manifests to Google Cloud Run.
	StatusCheck                   *bool           `yaml:"statusCheck,omitempty"`                   // Wait until what was deployed runs.
	StatusCheckDeadlineSeconds    int             `yaml:"statusCheckDeadlineSeconds,omitempty"`    // How long it may take.
	TolerateFailuresUntilDeadline bool            `yaml:"tolerateFailuresUntilDeadline,omitempty"` // Let containers fail until then.
	KubeContext                   string          `yaml:"kubeContext,omitempty"`                   // Which cluster, by its context in the kubeconfig. --kube-context wins.
	Logs                          Logs            `yaml:"logs,omitempty"`                          // How logs look.
}

// DockerDeploy is `deploy.docker` of the file: run the images as containers on this machine.
type DockerDeploy struct {
	UseCompose bool     `yaml:"useCompose,omitempty"` // Not supported.
	Images     []string `yaml:"images,omitempty"`     // Which images to run.
}

// HelmDeploy is `deploy.helm` of the file: install charts as releases of helm.
type HelmDeploy struct {
	Concurrency *int           `yaml:"concurrency,omitempty"` // How many are installed side by side, where none waits for the other. 0 is no limit.
	Releases    []*HelmRelease `yaml:"releases,omitempty"`    // The releases.
	Flags       HelmFlags      `yaml:"flags,omitempty"`       // More flags for helm.
	Hooks       DeployHooks    `yaml:"hooks,omitempty"`       // Commands that run before and after.
}

// KptDeploy is `deploy.kpt` of the file: apply with kpt.
type KptDeploy struct {
	Dir              string   `yaml:"dir,omitempty"`              // What is applied: a folder of packages.
	ApplyFlags       []string `yaml:"applyFlags,omitempty"`       // More flags for kpt live apply.
	Flags            []string `yaml:"flags,omitempty"`            // Flags of every kpt command.
	Name             string   `yaml:"name,omitempty"`             // Name of the inventory.
	InventoryID      string   `yaml:"inventoryID,omitempty"`      // Number of the inventory.
	Namespace        string   `yaml:"namespace,omitempty"`        // Namespace of the inventory.
	Force            bool     `yaml:"force,omitempty"`            // Overwrite what the inventory says.
	DefaultNamespace *string  `yaml:"defaultNamespace,omitempty"` // Namespace of objects that name none, where --namespace is not given.
}

// KubectlDeploy is `deploy.kubectl` of the file: apply the objects as they are.
type KubectlDeploy struct {
	Flags            KubectlFlags `yaml:"flags,omitempty"`            // Flags for the kubectl command. skiff does not run it.
	RemoteManifests  []string     `yaml:"remoteManifests,omitempty"`  // Never read. Write them below manifests.remoteManifests.
	DefaultNamespace *string      `yaml:"defaultNamespace,omitempty"` // Namespace of objects that name none, where --namespace is not given.
	Hooks            DeployHooks  `yaml:"hooks,omitempty"`            // Commands that run before and after.
}

// KubectlFlags is `deploy.kubectl.flags` of the file: flags for the kubectl command.
type KubectlFlags struct {
	Global            []string `yaml:"global,omitempty"`            // For every command.
	Apply             []string `yaml:"apply,omitempty"`             // For apply.
	Delete            []string `yaml:"delete,omitempty"`            // For delete.
	DisableValidation bool     `yaml:"disableValidation,omitempty"` // Do not check the objects against the cluster's schema.
}

// CloudRunDeploy is `deploy.cloudrun` of the file: hand the manifests to Google Cloud Run.
type CloudRunDeploy struct {
	ProjectID string    `yaml:"projectid,omitempty"` // Google Cloud project.
	Region    string    `yaml:"region,omitempty"`    // Region.
	Hooks     HostHooks `yaml:"hooks,omitempty"`     // Commands that run before and after.
}

// Logs is `deploy.logs` of the file: how logs look.
type Logs struct {
	Prefix    string    `yaml:"prefix,omitempty"`    // What stands in front of a line.
	JSONParse JSONParse `yaml:"jsonParse,omitempty"` // Show only some fields of lines that are JSON.
}

// JSONParse is `deploy.logs.jsonParse` of the file: show only some fields of lines that are JSON.
type JSONParse struct {
	Fields []string `yaml:"fields,omitempty"` // Which fields.
}
