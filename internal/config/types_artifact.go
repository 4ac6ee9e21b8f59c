package config

// Artifact is `build.artifacts` of the file: images to build.
type Artifact struct {
	Image       string                 `yaml:"image,omitempty"`       // Image name without tag or digest; unique over all modules.
	Context     string                 `yaml:"context,omitempty"`     // Source folder of the image.
	Sync        *Sync                  `yaml:"sync,omitempty"`        // Copy changed files into running containers instead of rebuilding.
	Docker      *DockerArtifact        `yaml:"docker,omitempty"`      // Build from a Dockerfile with docker.
	Bazel       *BazelArtifact         `yaml:"bazel,omitempty"`       // Build with bazel.
	Ko          *KoArtifact            `yaml:"ko,omitempty"`          // Build a Go program with ko.
	Jib         *JibArtifact           `yaml:"jib,omitempty"`         // Build a Java image with the jib plugins.
	Kaniko      *KanikoArtifact        `yaml:"kaniko,omitempty"`      // Build from a Dockerfile with kaniko in the cluster.
	Buildpacks  *BuildpacksArtifact    `yaml:"buildpacks,omitempty"`  // Build with Cloud Native Buildpacks.
	Custom      *CustomArtifact        `yaml:"custom,omitempty"`      // Build with the user's own command.
	Requires    []*ArtifactRequirement `yaml:"requires,omitempty"`    // Images of this project that must be built first.
	Hooks       HostHooks              `yaml:"hooks,omitempty"`       // Host commands around building this image; skipped on cache hits.
	Platforms   []string               `yaml:"platforms,omitempty"`   // Platforms os/arch[/variant] this image allows; intersected with requested ones.
	RuntimeType string                 `yaml:"runtimeType,omitempty"` // Language hint for debug.

	Config *Config `yaml:"-"` // The config that the artifact belongs to.
}

// DockerArtifact is `build.artifacts.docker` of the file: build from a Dockerfile with docker.
type DockerArtifact struct {
	Dockerfile string             `yaml:"dockerfile,omitempty"` // Dockerfile path relative to context, else to the working folder.
	Target     string             `yaml:"target,omitempty"`     // Build stage to stop at.
	BuildArgs  map[string]*string `yaml:"buildArgs,omitempty"`  // Build arguments; null value passes the name only.
	Network    string             `yaml:"network,omitempty"`    // Network mode for the build; container:NAME must exist and run.
	AddHost    []string           `yaml:"addHost,omitempty"`    // Extra host:ip lines for the build.
	CacheFrom  []string           `yaml:"cacheFrom,omitempty"`  // Images usable as layer cache.
	CLIFlags   []string           `yaml:"cliFlags,omitempty"`   // Extra flags when the docker command is used.
	PullParent bool               `yaml:"pullParent,omitempty"` // Always refresh the base image.
	NoCache    bool               `yaml:"noCache,omitempty"`    // Build without layer cache.
	Squash     bool               `yaml:"squash,omitempty"`     // Merge layers into one.
	Secrets    []*DockerSecret    `yaml:"secrets,omitempty"`    // Build secrets; needs BuildKit.
	SSH        string             `yaml:"ssh,omitempty"`        // SSH agent or keys offered to the build.
}

// DockerSecret is `build.artifacts.docker.secrets` of the file: build secrets; needs BuildKit.
type DockerSecret struct {
	ID  string `yaml:"id,omitempty"`  // Secret name used in the Dockerfile.
	Src string `yaml:"src,omitempty"` // File holding the secret; a leading ~/ is expanded.
	Env string `yaml:"env,omitempty"` // Environment variable holding the secret.
}

// BazelArtifact is `build.artifacts.bazel` of the file: build with bazel.
type BazelArtifact struct {
	Target    string           `yaml:"target,omitempty"`    // Target producing an image tarball; must end in .tar.
	Args      []string         `yaml:"args,omitempty"`      // Extra bazel build arguments.
	Platforms []*BazelPlatform `yaml:"platforms,omitempty"` // Translate image platform to bazel platform label.
}

// BazelPlatform is `build.artifacts.bazel.platforms` of the file: translate image platform to bazel platform label.
type BazelPlatform struct {
	Platform string `yaml:"platform,omitempty"` // Image platform such as linux/amd64.
	Target   string `yaml:"target,omitempty"`   // Bazel platform label for it.
}

// KoArtifact is `build.artifacts.ko` of the file: build a Go program with ko.
type KoArtifact struct {
	FromImage    string            `yaml:"fromImage,omitempty"`    // Base image.
	Dependencies *PathDependencies `yaml:"dependencies,omitempty"` // Files that trigger a rebuild.
	Dir          string            `yaml:"dir,omitempty"`          // Folder, under context, where go runs.
	Env          []string          `yaml:"env,omitempty"`          // KEY=value settings for the compiler run only.
	Flags        []string          `yaml:"flags,omitempty"`        // Flags for go build.
	Labels       map[string]string `yaml:"labels,omitempty"`       // Labels stored in the image.
	Ldflags      []string          `yaml:"ldflags,omitempty"`      // Linker flags.
	Main         string            `yaml:"main,omitempty"`         // Main package; ignored for ko:// image names.
}

// PathDependencies is `build.artifacts.ko.dependencies` of the file: files that trigger a rebuild.
type PathDependencies struct {
	Paths  []string `yaml:"paths,omitempty"`  // Globs to watch.
	Ignore []string `yaml:"ignore,omitempty"` // Globs to leave out.
}

// JibArtifact is `build.artifacts.jib` of the file: build a Java image with the jib plugins.
type JibArtifact struct {
	Project   string   `yaml:"project,omitempty"`   // Sub-project in a multi-module build.
	Args      []string `yaml:"args,omitempty"`      // Extra arguments to the build tool.
	Type      string   `yaml:"type,omitempty"`      // Which plugin to use.
	FromImage string   `yaml:"fromImage,omitempty"` // Base image override.
}

// KanikoArtifact is `build.artifacts.kaniko` of the file: build from a Dockerfile with kaniko in the cluster.
type KanikoArtifact struct {
	Cleanup                      bool               `yaml:"cleanup,omitempty"`                      // Clean the file system afterwards.
	Insecure                     bool               `yaml:"insecure,omitempty"`                     // Push over plain HTTP.
	InsecurePull                 bool               `yaml:"insecurePull,omitempty"`                 // Pull over plain HTTP.
	Force                        bool               `yaml:"force,omitempty"`                        // Run even when not inside a container.
	LogTimestamp                 bool               `yaml:"logTimestamp,omitempty"`                 // Put time stamps on log lines.
	Reproducible                 bool               `yaml:"reproducible,omitempty"`                 // Strip time stamps from the image.
	SingleSnapshot               bool               `yaml:"singleSnapshot,omitempty"`               // Take one snapshot at the end, so one layer.
	SkipTLS                      bool               `yaml:"skipTLS,omitempty"`                      // No certificate check when pushing.
	SkipTLSVerifyPull            bool               `yaml:"skipTLSVerifyPull,omitempty"`            // No certificate check when pulling.
	SkipUnusedStages             bool               `yaml:"skipUnusedStages,omitempty"`             // Build only the stages the target needs.
	UseNewRun                    bool               `yaml:"useNewRun,omitempty"`                    // Detect changes without file system snapshots.
	WhitelistVarRun              bool               `yaml:"whitelistVarRun,omitempty"`              // Leave /var/run out of snapshots.
	Dockerfile                   string             `yaml:"dockerfile,omitempty"`                   // Dockerfile path relative to context.
	Target                       string             `yaml:"target,omitempty"`                       // Build stage to stop at.
	InitImage                    string             `yaml:"initImage,omitempty"`                    // Image of the helper that receives the sources.
	Image                        string             `yaml:"image,omitempty"`                        // Kaniko executor image.
	ImagePullSecret              string             `yaml:"imagePullSecret,omitempty"`              // Secret to pull the two images above.
	Destination                  []string           `yaml:"destination,omitempty"`                  // More names to push the result to.
	DigestFile                   string             `yaml:"digestFile,omitempty"`                   // File in the pod that receives the digest.
	ImageFSExtractRetry          string             `yaml:"imageFSExtractRetry,omitempty"`          // How often to retry unpacking the base.
	ImageNameWithDigestFile      string             `yaml:"imageNameWithDigestFile,omitempty"`      // File that receives name plus digest.
	LogFormat                    string             `yaml:"logFormat,omitempty"`                    // Log style.
	OCILayoutPath                string             `yaml:"ociLayoutPath,omitempty"`                // Folder for an OCI layout copy.
	RegistryMirror               string             `yaml:"registryMirror,omitempty"`               // Mirror used in place of Docker Hub.
	SnapshotMode                 string             `yaml:"snapshotMode,omitempty"`                 // How file changes are detected.
	PushRetry                    string             `yaml:"pushRetry,omitempty"`                    // How often to retry the push.
	TarPath                      string             `yaml:"tarPath,omitempty"`                      // Write a tarball instead of pushing.
	Verbosity                    string             `yaml:"verbosity,omitempty"`                    // Log level of kaniko.
	InsecureRegistry             []string           `yaml:"insecureRegistry,omitempty"`             // Registries spoken to over plain HTTP.
	SkipTLSVerifyRegistry        []string           `yaml:"skipTLSVerifyRegistry,omitempty"`        // Registries without certificate check.
	Env                          []map[string]any   `yaml:"env,omitempty"`                          // Environment of the kaniko pod; valueFrom is ignored.
	Cache                        *KanikoCache       `yaml:"cache,omitempty"`                        // Turn on and tune layer caching.
	RegistryCertificate          map[string]*string `yaml:"registryCertificate,omitempty"`          // Certificate file per registry.
	Label                        map[string]*string `yaml:"label,omitempty"`                        // Labels stored in the image.
	BuildArgs                    map[string]*string `yaml:"buildArgs,omitempty"`                    // Build arguments.
	VolumeMounts                 []map[string]any   `yaml:"volumeMounts,omitempty"`                 // Volume mounts of the kaniko container (Kubernetes form).
	ContextSubPath               string             `yaml:"contextSubPath,omitempty"`               // Sub-folder of context used as build root.
	IgnorePaths                  []string           `yaml:"ignorePaths,omitempty"`                  // Paths left out of snapshots.
	CopyMaxRetries               *int               `yaml:"copyMaxRetries,omitempty"`               // Retries when sending sources to the pod.
	CopyTimeout                  string             `yaml:"copyTimeout,omitempty"`                  // Time limit for one send, Go duration.
	BuildContextCompressionLevel *int               `yaml:"buildContextCompressionLevel,omitempty"` // Gzip level -2 to 9 for sources.
}

// KanikoCache is `build.artifacts.kaniko.cache` of the file: turn on and tune layer caching.
type KanikoCache struct {
	Repo            string `yaml:"repo,omitempty"`            // Registry path for cached layers.
	HostPath        string `yaml:"hostPath,omitempty"`        // Node folder with cached base images.
	TTL             string `yaml:"ttl,omitempty"`             // Cache lifetime.
	CacheCopyLayers bool   `yaml:"cacheCopyLayers,omitempty"` // Cache COPY layers too.
	CacheRunLayers  *bool  `yaml:"cacheRunLayers,omitempty"`  // Cache RUN layers.
}

// BuildpacksArtifact is `build.artifacts.buildpacks` of the file: build with Cloud Native Buildpacks.
type BuildpacksArtifact struct {
	Builder           string              `yaml:"builder,omitempty"`           // Builder image.
	RunImage          string              `yaml:"runImage,omitempty"`          // Run image override.
	Env               []string            `yaml:"env,omitempty"`               // KEY=value settings for the build.
	Buildpacks        []string            `yaml:"buildpacks,omitempty"`        // Buildpacks to use, in order, instead of detection.
	TrustBuilder      bool                `yaml:"trustBuilder,omitempty"`      // Treat the builder as trusted.
	ClearCache        bool                `yaml:"clearCache,omitempty"`        // Start from an empty cache volume.
	ProjectDescriptor string              `yaml:"projectDescriptor,omitempty"` // Project descriptor file; skipped when missing.
	Dependencies      *PathDependencies   `yaml:"dependencies,omitempty"`      // Files that trigger rebuild or sync.
	Volumes           []*BuildpacksVolume `yaml:"volumes,omitempty"`           // Host folders mounted during the build.
	BuildArgs         []string            `yaml:"buildArgs,omitempty"`         // Extra arguments for the pack build.
}

// BuildpacksVolume is `build.artifacts.buildpacks.volumes` of the file: host folders mounted during the build.
type BuildpacksVolume struct {
	Host    string `yaml:"host,omitempty"`    // Host folder or volume.
	Target  string `yaml:"target,omitempty"`  // Mount point in the build container.
	Options string `yaml:"options,omitempty"` // Mount options.
}

// CustomArtifact is `build.artifacts.custom` of the file: build with the user's own command.
type CustomArtifact struct {
	BuildCommand string              `yaml:"buildCommand,omitempty"` // Shell command that builds (and pushes) the image.
	Dependencies *CustomDependencies `yaml:"dependencies,omitempty"` // Files that trigger a rebuild.
}

// CustomDependencies is `build.artifacts.custom.dependencies` of the file: files that trigger a rebuild.
type CustomDependencies struct {
	Dockerfile *DockerfileDependency `yaml:"dockerfile,omitempty"` // Derive watched files from a Dockerfile.
	Command    string                `yaml:"command,omitempty"`    // Command printing a JSON list of files; split on spaces, no shell.
	Paths      []string              `yaml:"paths,omitempty"`      // Globs to watch.
	Ignore     []string              `yaml:"ignore,omitempty"`     // Globs to leave out; only with paths.
}

// DockerfileDependency is `build.artifacts.custom.dependencies.dockerfile` of the file: derive watched files from a Dockerfile.
type DockerfileDependency struct {
	Path      string             `yaml:"path,omitempty"`      // Dockerfile path relative to context.
	BuildArgs map[string]*string `yaml:"buildArgs,omitempty"` // Values for ARG when reading the Dockerfile.
}

// ArtifactRequirement is `build.artifacts.requires` of the file: images of this project that must be built first.
type ArtifactRequirement struct {
	Image string `yaml:"image,omitempty"` // Name of the needed artifact.
	Alias string `yaml:"alias,omitempty"` // Build-arg or variable name that receives its reference.
}
