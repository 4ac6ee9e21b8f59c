package config

// BuildConfig is `build` of the file: how images are produced.
type BuildConfig struct {
	Hooks              HostHooks         `yaml:"hooks,omitempty"`              // Host commands around the whole build phase of this module.
	Artifacts          []*Artifact       `yaml:"artifacts,omitempty"`          // Images to build.
	InsecureRegistries []string          `yaml:"insecureRegistries,omitempty"` // Registries reached over HTTP.
	TagPolicy          TagPolicy         `yaml:"tagPolicy,omitempty"`          // How tags are made.
	Platforms          []string          `yaml:"platforms,omitempty"`          // Platforms for every image unless set per artifact.
	Local              *LocalBuild       `yaml:"local,omitempty"`              // Build with the local docker daemon or tools.
	GoogleCloudBuild   *GoogleCloudBuild `yaml:"googleCloudBuild,omitempty"`   // Build remotely on Google Cloud Build.
	Cluster            *ClusterBuild     `yaml:"cluster,omitempty"`            // Build in Kubernetes (kaniko or custom).
}

// LocalBuild is `build.local` of the file: build with the local docker daemon or tools.
type LocalBuild struct {
	Push             *bool `yaml:"push,omitempty"`             // Push images after building.
	TryImportMissing bool  `yaml:"tryImportMissing,omitempty"` // On cache miss, reuse an image already tagged locally or remotely.
	UseDockerCLI     bool  `yaml:"useDockerCLI,omitempty"`     // Call the docker command instead of the API.
	UseBuildkit      *bool `yaml:"useBuildkit,omitempty"`      // Force BuildKit on or off.
	Concurrency      *int  `yaml:"concurrency,omitempty"`      // Parallel builds, 0 means unlimited.
}

// GoogleCloudBuild is `build.googleCloudBuild` of the file: build remotely on Google Cloud Build.
type GoogleCloudBuild struct {
	ProjectID                   string               `yaml:"projectId,omitempty"`                   // Cloud project that runs builds.
	DiskSizeGB                  int                  `yaml:"diskSizeGb,omitempty"`                  // Disk size of the build machine.
	MachineType                 string               `yaml:"machineType,omitempty"`                 // Machine type.
	Timeout                     string               `yaml:"timeout,omitempty"`                     // Build time limit in seconds with s suffix.
	Logging                     string               `yaml:"logging,omitempty"`                     // Where logs go.
	LogStreamingOption          string               `yaml:"logStreamingOption,omitempty"`          // When logs are written to storage.
	DockerImage                 string               `yaml:"dockerImage,omitempty"`                 // Step image for docker builds.
	KanikoImage                 string               `yaml:"kanikoImage,omitempty"`                 // Step image for kaniko builds.
	MavenImage                  string               `yaml:"mavenImage,omitempty"`                  // Step image for maven.
	GradleImage                 string               `yaml:"gradleImage,omitempty"`                 // Step image for gradle.
	PackImage                   string               `yaml:"packImage,omitempty"`                   // Step image for buildpacks.
	KoImage                     string               `yaml:"koImage,omitempty"`                     // Step image for ko.
	Bucket                      string               `yaml:"bucket,omitempty"`                      // Bucket for uploaded sources.
	Concurrency                 int                  `yaml:"concurrency,omitempty"`                 // Parallel builds.
	WorkerPool                  string               `yaml:"workerPool,omitempty"`                  // Private worker pool resource name.
	Region                      string               `yaml:"region,omitempty"`                      // Region to run in.
	PlatformEmulatorInstallStep *EmulatorInstallStep `yaml:"platformEmulatorInstallStep,omitempty"` // Step that installs CPU emulation.
	ServiceAccount              string               `yaml:"serviceAccount,omitempty"`              // Identity of the build.
}

// EmulatorInstallStep is `build.googleCloudBuild.platformEmulatorInstallStep` of the file: step that installs CPU emulation.
type EmulatorInstallStep struct {
	Image      string   `yaml:"image,omitempty"`      // Image of that step.
	Args       []string `yaml:"args,omitempty"`       // Its arguments.
	Entrypoint string   `yaml:"entrypoint,omitempty"` // Its entry point.
}

// ClusterBuild is `build.cluster` of the file: build in Kubernetes (kaniko or custom).
type ClusterBuild struct {
	HTTPProxy                string            `yaml:"HTTP_PROXY,omitempty"`               // Proxy for kaniko.
	HTTPSProxy               string            `yaml:"HTTPS_PROXY,omitempty"`              // TLS proxy for kaniko.
	PullSecretPath           string            `yaml:"pullSecretPath,omitempty"`           // Local key file to create the secret from; ~ expanded.
	PullSecretName           string            `yaml:"pullSecretName,omitempty"`           // Secret with registry credentials.
	PullSecretMountPath      string            `yaml:"pullSecretMountPath,omitempty"`      // Mount point of that secret.
	Namespace                string            `yaml:"namespace,omitempty"`                // Namespace of build pods.
	Timeout                  string            `yaml:"timeout,omitempty"`                  // Build time limit.
	DockerConfig             *DockerConfig     `yaml:"dockerConfig,omitempty"`             // Docker credentials for the pod.
	ServiceAccount           string            `yaml:"serviceAccount,omitempty"`           // Service account of the pod.
	Tolerations              []map[string]any  `yaml:"tolerations,omitempty"`              // Pod tolerations; only lower-case keys are read.
	NodeSelector             map[string]string `yaml:"nodeSelector,omitempty"`             // Pod node selector.
	Annotations              map[string]string `yaml:"annotations,omitempty"`              // Pod annotations.
	Labels                   map[string]string `yaml:"labels,omitempty"`                   // Pod labels.
	RunAsUser                *int              `yaml:"runAsUser,omitempty"`                // Numeric user of the container.
	Resources                *Resources        `yaml:"resources,omitempty"`                // Pod resources.
	Concurrency              int               `yaml:"concurrency,omitempty"`              // Parallel builds.
	Volumes                  []map[string]any  `yaml:"volumes,omitempty"`                  // Pod volumes (Kubernetes form).
	RandomPullSecret         bool              `yaml:"randomPullSecret,omitempty"`         // Add a random ending to the default pull secret name.
	RandomDockerConfigSecret bool              `yaml:"randomDockerConfigSecret,omitempty"` // Add a random ending to the default docker secret name.
}

// DockerConfig is `build.cluster.dockerConfig` of the file: docker credentials for the pod.
type DockerConfig struct {
	Path       string `yaml:"path,omitempty"`       // Local config.json; ~ expanded.
	SecretName string `yaml:"secretName,omitempty"` // Secret holding config.json (Opaque type).
}

// Resources is `build.cluster.resources` of the file: pod resources.
type Resources struct {
	Requests *ResourceAmounts `yaml:"requests,omitempty"` // Requested amounts.
	Limits   *ResourceAmounts `yaml:"limits,omitempty"`   // Upper amounts.
}

// ResourceAmounts is `build.cluster.resources.requests` of the file: requested amounts.
type ResourceAmounts struct {
	CPU              string `yaml:"cpu,omitempty"`              // CPU quantity.
	Memory           string `yaml:"memory,omitempty"`           // Memory quantity.
	EphemeralStorage string `yaml:"ephemeralStorage,omitempty"` // Scratch disk quantity.
	ResourceStorage  string `yaml:"resourceStorage,omitempty"`  // Storage quantity.
}

// TagPolicy is `build.tagPolicy` of the file: how tags are made.
type TagPolicy struct {
	GitCommit      *GitTagger            `yaml:"gitCommit,omitempty"`      // Tag from git state of the context.
	Sha256         *Empty                `yaml:"sha256,omitempty"`         // Fixed tag latest; content is pinned by digest.
	EnvTemplate    *EnvTemplateTagger    `yaml:"envTemplate,omitempty"`    // Tag from a template over environment.
	DateTime       *DateTimeTagger       `yaml:"dateTime,omitempty"`       // Tag from the current time.
	CustomTemplate *CustomTemplateTagger `yaml:"customTemplate,omitempty"` // Tag combined from other taggers.
	InputDigest    *Empty                `yaml:"inputDigest,omitempty"`    // Tag from a hash of the sources.
}

// GitTagger is `build.tagPolicy.gitCommit` of the file: tag from git state of the context.
type GitTagger struct {
	Variant       string `yaml:"variant,omitempty"`       // Which git value.
	Prefix        string `yaml:"prefix,omitempty"`        // Text put before the git value.
	IgnoreChanges bool   `yaml:"ignoreChanges,omitempty"` // Do not add -dirty.
}

// EnvTemplateTagger is `build.tagPolicy.envTemplate` of the file: tag from a template over environment.
type EnvTemplateTagger struct {
	Template string `yaml:"template,omitempty"` // Template for the tag.
}

// DateTimeTagger is `build.tagPolicy.dateTime` of the file: tag from the current time.
type DateTimeTagger struct {
	Format   string `yaml:"format,omitempty"`   // Go time layout.
	Timezone string `yaml:"timezone,omitempty"` // IANA zone name.
}

// CustomTemplateTagger is `build.tagPolicy.customTemplate` of the file: tag combined from other taggers.
type CustomTemplateTagger struct {
	Template   string          `yaml:"template,omitempty"`   // Template for the tag.
	Components []*TagComponent `yaml:"components,omitempty"` // Named taggers usable in the template.
}

// TagComponent is a tagger with the name that the template of a CustomTemplateTagger calls it by.
type TagComponent struct {
	Name      string `yaml:"name,omitempty"` // Name used in the template.
	TagPolicy `yaml:",inline"`
}
