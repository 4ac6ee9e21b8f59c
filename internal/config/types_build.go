package config

// BuildConfig is `build` of the file: which images are made, how, and where.
type BuildConfig struct {
	Hooks              HostHooks         `yaml:"hooks,omitempty"`              // Commands that run before and after.
	Artifacts          []*Artifact       `yaml:"artifacts,omitempty"`          // The images of the project.
	InsecureRegistries []string          `yaml:"insecureRegistries,omitempty"` // Registries without TLS.
	TagPolicy          TagPolicy         `yaml:"tagPolicy,omitempty"`          // How images get their tags.
	Platforms          []string          `yaml:"platforms,omitempty"`          // Platforms for every image that names none.
	Local              *LocalBuild       `yaml:"local,omitempty"`              // Build on this machine.
	GoogleCloudBuild   *GoogleCloudBuild `yaml:"googleCloudBuild,omitempty"`   // Build on Google Cloud Build.
	Cluster            *ClusterBuild     `yaml:"cluster,omitempty"`            // Build in the cluster, with kaniko or a command of yours.
}

// LocalBuild is `build.local` of the file: build on this machine.
type LocalBuild struct {
	Push             *bool `yaml:"push,omitempty"`             // Push the images.
	TryImportMissing bool  `yaml:"tryImportMissing,omitempty"` // Take an image from the registry instead of building it, where it is there.
	UseDockerCLI     bool  `yaml:"useDockerCLI,omitempty"`     // Run the docker command instead of talking to the engine.
	UseBuildkit      *bool `yaml:"useBuildkit,omitempty"`      // Build with BuildKit, or without.
	Concurrency      *int  `yaml:"concurrency,omitempty"`      // How many images are built side by side. 0 is no limit.
}

// GoogleCloudBuild is `build.googleCloudBuild` of the file: build on Google Cloud Build.
type GoogleCloudBuild struct {
	ProjectID                   string               `yaml:"projectId,omitempty"`                   // Google Cloud project.
	DiskSizeGB                  int                  `yaml:"diskSizeGb,omitempty"`                  // Size of the machine's disk.
	MachineType                 string               `yaml:"machineType,omitempty"`                 // Type of the machine.
	Timeout                     string               `yaml:"timeout,omitempty"`                     // How long a build may take, such as 600s.
	Logging                     string               `yaml:"logging,omitempty"`                     // Where the logs go.
	LogStreamingOption          string               `yaml:"logStreamingOption,omitempty"`          // When the logs reach the bucket.
	DockerImage                 string               `yaml:"dockerImage,omitempty"`                 // Image that runs docker.
	KanikoImage                 string               `yaml:"kanikoImage,omitempty"`                 // Image that runs kaniko.
	MavenImage                  string               `yaml:"mavenImage,omitempty"`                  // Image that runs Maven.
	GradleImage                 string               `yaml:"gradleImage,omitempty"`                 // Image that runs Gradle.
	PackImage                   string               `yaml:"packImage,omitempty"`                   // Image that runs pack.
	KoImage                     string               `yaml:"koImage,omitempty"`                     // Image that runs ko.
	Bucket                      string               `yaml:"bucket,omitempty"`                      // Bucket that takes the sources.
	Concurrency                 int                  `yaml:"concurrency,omitempty"`                 // How many run side by side. 0 is no limit.
	WorkerPool                  string               `yaml:"workerPool,omitempty"`                  // Pool of machines, as projects/P/locations/L/workerPools/W.
	Region                      string               `yaml:"region,omitempty"`                      // Region of the build.
	PlatformEmulatorInstallStep *EmulatorInstallStep `yaml:"platformEmulatorInstallStep,omitempty"` // Step that makes other processors work.
	ServiceAccount              string               `yaml:"serviceAccount,omitempty"`              // Account that the build runs as.
}

// EmulatorInstallStep is `build.googleCloudBuild.platformEmulatorInstallStep` of the file: step that makes other processors work.
type EmulatorInstallStep struct {
	Image      string   `yaml:"image,omitempty"`      // Image that the step runs.
	Args       []string `yaml:"args,omitempty"`       // What it is called with.
	Entrypoint string   `yaml:"entrypoint,omitempty"` // Its program.
}

// ClusterBuild is `build.cluster` of the file: build in the cluster, with kaniko or a command of yours.
type ClusterBuild struct {
	HTTPProxy                string            `yaml:"HTTP_PROXY,omitempty"`               // Proxy of the build.
	HTTPSProxy               string            `yaml:"HTTPS_PROXY,omitempty"`              // Proxy of the build for TLS.
	PullSecretPath           string            `yaml:"pullSecretPath,omitempty"`           // File of this machine from which the Secret is made. ~ is the home folder.
	PullSecretName           string            `yaml:"pullSecretName,omitempty"`           // Secret that lets the pod into the registry.
	PullSecretMountPath      string            `yaml:"pullSecretMountPath,omitempty"`      // Where the Secret is mounted.
	Namespace                string            `yaml:"namespace,omitempty"`                // Namespace of the pods.
	Timeout                  string            `yaml:"timeout,omitempty"`                  // How long a build may take.
	DockerConfig             *DockerConfig     `yaml:"dockerConfig,omitempty"`             // Credentials as docker keeps them.
	ServiceAccount           string            `yaml:"serviceAccount,omitempty"`           // Account that the pods run as.
	Tolerations              []map[string]any  `yaml:"tolerations,omitempty"`              // Tolerations of the pods, as Kubernetes writes them.
	NodeSelector             map[string]string `yaml:"nodeSelector,omitempty"`             // Labels of nodes on which they run.
	Annotations              map[string]string `yaml:"annotations,omitempty"`              // Annotations of the pods.
	Labels                   map[string]string `yaml:"labels,omitempty"`                   // Labels of the pods.
	RunAsUser                *int              `yaml:"runAsUser,omitempty"`                // Number of the user that builds.
	Resources                *Resources        `yaml:"resources,omitempty"`                // What the pods need.
	Concurrency              int               `yaml:"concurrency,omitempty"`              // How many run side by side. 0 is no limit.
	Volumes                  []map[string]any  `yaml:"volumes,omitempty"`                  // Volumes of the pods, as Kubernetes writes them.
	RandomPullSecret         bool              `yaml:"randomPullSecret,omitempty"`         // Put a random ending to the Secret's name, for builds side by side.
	RandomDockerConfigSecret bool              `yaml:"randomDockerConfigSecret,omitempty"` // Put a random ending to the name of docker's Secret.
}

// DockerConfig is `build.cluster.dockerConfig` of the file: credentials as docker keeps them.
type DockerConfig struct {
	Path       string `yaml:"path,omitempty"`       // config.json of this machine. ~ is the home folder.
	SecretName string `yaml:"secretName,omitempty"` // Secret with config.json.
}

// Resources is `build.cluster.resources` of the file: what the pods need.
type Resources struct {
	Requests *ResourceAmounts `yaml:"requests,omitempty"` // What they need at least.
	Limits   *ResourceAmounts `yaml:"limits,omitempty"`   // What they get at most.
}

// ResourceAmounts is `build.cluster.resources.requests` of the file: what they need at least.
type ResourceAmounts struct {
	CPU              string `yaml:"cpu,omitempty"`              // Processors, such as 500m.
	Memory           string `yaml:"memory,omitempty"`           // Memory, such as 1Gi.
	EphemeralStorage string `yaml:"ephemeralStorage,omitempty"` // Space of the container's disk.
	ResourceStorage  string `yaml:"resourceStorage,omitempty"`  // Space of volumes.
}

// TagPolicy is `build.tagPolicy` of the file: how images get their tags.
type TagPolicy struct {
	GitCommit      *GitTagger            `yaml:"gitCommit,omitempty"`      // The tag comes from git.
	Sha256         *Empty                `yaml:"sha256,omitempty"`         // The tag is always latest; the digest tells images apart.
	EnvTemplate    *EnvTemplateTagger    `yaml:"envTemplate,omitempty"`    // The tag comes from a template.
	DateTime       *DateTimeTagger       `yaml:"dateTime,omitempty"`       // The tag is the time of the build.
	CustomTemplate *CustomTemplateTagger `yaml:"customTemplate,omitempty"` // The tag is put together from others.
	InputDigest    *Empty                `yaml:"inputDigest,omitempty"`    // The tag is a digest of the sources: the same sources, the same tag.
}

// GitTagger is `build.tagPolicy.gitCommit` of the file: the tag comes from git.
type GitTagger struct {
	Variant       string `yaml:"variant,omitempty"`       // What of git.
	Prefix        string `yaml:"prefix,omitempty"`        // Text in front of it.
	IgnoreChanges bool   `yaml:"ignoreChanges,omitempty"` // Leave "-dirty" out where files are not committed.
}

// EnvTemplateTagger is `build.tagPolicy.envTemplate` of the file: the tag comes from a template.
type EnvTemplateTagger struct {
	Template string `yaml:"template,omitempty"` // The template.
}

// DateTimeTagger is `build.tagPolicy.dateTime` of the file: the tag is the time of the build.
type DateTimeTagger struct {
	Format   string `yaml:"format,omitempty"`   // Form of the time, as Go writes it.
	Timezone string `yaml:"timezone,omitempty"` // Time zone, by its IANA name.
}

// CustomTemplateTagger is `build.tagPolicy.customTemplate` of the file: the tag is put together from others.
type CustomTemplateTagger struct {
	Template   string          `yaml:"template,omitempty"`   // The template.
	Components []*TagComponent `yaml:"components,omitempty"` // The parts, each with a name and one policy.
}

// TagComponent is a tagger with the name that the template of a CustomTemplateTagger calls it by.
type TagComponent struct {
	Name      string `yaml:"name,omitempty"` // Name of the part in the template.
	TagPolicy `yaml:",inline"`
}
