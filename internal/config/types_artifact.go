package config

// Artifact is `build.artifacts` of the file: the images of the project.
type Artifact struct {
	Image       string                 `yaml:"image,omitempty"`       // Name of the image without a tag; manifests name the same. No two artifacts of the project may share it.
	Context     string                 `yaml:"context,omitempty"`     // Folder with the sources.
	Sync        *Sync                  `yaml:"sync,omitempty"`        // Copies changed files into the running containers where that will do, instead of building anew.
	Docker      *DockerArtifact        `yaml:"docker,omitempty"`      // Build from a Dockerfile.
	Bazel       *BazelArtifact         `yaml:"bazel,omitempty"`       // Bazel makes the image.
	Ko          *KoArtifact            `yaml:"ko,omitempty"`          // Build a Go program, without a Dockerfile.
	Jib         *JibArtifact           `yaml:"jib,omitempty"`         // Build a Java program with the jib plugin of Maven or Gradle.
	Kaniko      *KanikoArtifact        `yaml:"kaniko,omitempty"`      // Build from a Dockerfile in the cluster.
	Buildpacks  *BuildpacksArtifact    `yaml:"buildpacks,omitempty"`  // Let Cloud Native Buildpacks find out how to build.
	Custom      *CustomArtifact        `yaml:"custom,omitempty"`      // Build with a command of yours.
	Requires    []*ArtifactRequirement `yaml:"requires,omitempty"`    // Images of this project that are built first and that this one is built from.
	Hooks       HostHooks              `yaml:"hooks,omitempty"`       // Commands of this machine around the build of this image. They do not run when the image is there already.
	Platforms   []string               `yaml:"platforms,omitempty"`   // Platforms for which the image can be built.
	RuntimeType string                 `yaml:"runtimeType,omitempty"` // Language, for debug.

	Config *Config `yaml:"-"` // The config that the artifact belongs to.
}

// DockerArtifact is `build.artifacts.docker` of the file: build from a Dockerfile.
type DockerArtifact struct {
	Dockerfile string             `yaml:"dockerfile,omitempty"` // The Dockerfile, relative to the context.
	Target     string             `yaml:"target,omitempty"`     // Stage to build.
	BuildArgs  map[string]*string `yaml:"buildArgs,omitempty"`  // Values for ARG. One without a value is passed on from the environment.
	Network    string             `yaml:"network,omitempty"`    // Network of RUN steps.
	AddHost    []string           `yaml:"addHost,omitempty"`    // More lines for /etc/hosts during the build, as host:address.
	CacheFrom  []string           `yaml:"cacheFrom,omitempty"`  // Images whose layers may be used again.
	CLIFlags   []string           `yaml:"cliFlags,omitempty"`   // More flags for the docker command, where it is used.
	PullParent bool               `yaml:"pullParent,omitempty"` // Ask the registry for a newer base image every time.
	NoCache    bool               `yaml:"noCache,omitempty"`    // Build every step anew.
	Squash     bool               `yaml:"squash,omitempty"`     // Make one layer of all.
	Secrets    []*DockerSecret    `yaml:"secrets,omitempty"`    // Secrets for RUN --mount=type=secret.
	SSH        string             `yaml:"ssh,omitempty"`        // Agent or keys for RUN --mount=type=ssh, as docker build --ssh takes it.
}

// DockerSecret is `build.artifacts.docker.secrets` of the file: secrets for RUN --mount=type=secret.
type DockerSecret struct {
	ID  string `yaml:"id,omitempty"`  // Name by which the Dockerfile asks for it.
	Src string `yaml:"src,omitempty"` // File with the secret. ~ is the home folder.
	Env string `yaml:"env,omitempty"` // Environment variable with the secret.
}

// BazelArtifact is `build.artifacts.bazel` of the file: bazel makes the image.
type BazelArtifact struct {
	Target    string           `yaml:"target,omitempty"`    // Label of the image's archive. It ends in .tar.
	Args      []string         `yaml:"args,omitempty"`      // More arguments for bazel build.
	Platforms []*BazelPlatform `yaml:"platforms,omitempty"` // Which label of bazel stands for which platform of images.
}

// BazelPlatform is `build.artifacts.bazel.platforms` of the file: which label of bazel stands for which platform of images.
type BazelPlatform struct {
	Platform string `yaml:"platform,omitempty"` // Platform of images, such as linux/arm64.
	Target   string `yaml:"target,omitempty"`   // Label of bazel for it.
}

// KoArtifact is `build.artifacts.ko` of the file: build a Go program, without a Dockerfile.
type KoArtifact struct {
	FromImage    string            `yaml:"fromImage,omitempty"`    // Image to build upon.
	Dependencies *PathDependencies `yaml:"dependencies,omitempty"` // Which files make the image anew when they change.
	Dir          string            `yaml:"dir,omitempty"`          // Folder in which go runs, below the context.
	Env          []string          `yaml:"env,omitempty"`          // Settings of the compiler, as NAME=value.
	Flags        []string          `yaml:"flags,omitempty"`        // More flags for go build.
	Labels       map[string]string `yaml:"labels,omitempty"`       // Labels of the image.
	Ldflags      []string          `yaml:"ldflags,omitempty"`      // Flags of the linker.
	Main         string            `yaml:"main,omitempty"`         // Package with the main function.
}

// PathDependencies is `build.artifacts.ko.dependencies` of the file: which files make the image anew when they change.
type PathDependencies struct {
	Paths  []string `yaml:"paths,omitempty"`  // Patterns of those files.
	Ignore []string `yaml:"ignore,omitempty"` // Patterns of files that do not count.
}

// JibArtifact is `build.artifacts.jib` of the file: build a Java program with the jib plugin of Maven or Gradle.
type JibArtifact struct {
	Project   string   `yaml:"project,omitempty"`   // Module of a build with several.
	Args      []string `yaml:"args,omitempty"`      // More arguments for mvn or gradle.
	Type      string   `yaml:"type,omitempty"`      // Which of the two.
	FromImage string   `yaml:"fromImage,omitempty"` // Image to build upon.
}

// KanikoArtifact is `build.artifacts.kaniko` of the file: build from a Dockerfile in the cluster.
type KanikoArtifact struct {
	Cleanup                      bool               `yaml:"cleanup,omitempty"`                      // Tidy the file system when it is done.
	Insecure                     bool               `yaml:"insecure,omitempty"`                     // Push without TLS.
	InsecurePull                 bool               `yaml:"insecurePull,omitempty"`                 // Pull without TLS.
	Force                        bool               `yaml:"force,omitempty"`                        // Run outside of a container too.
	LogTimestamp                 bool               `yaml:"logTimestamp,omitempty"`                 // Times in the log.
	Reproducible                 bool               `yaml:"reproducible,omitempty"`                 // Leave times out of the image.
	SingleSnapshot               bool               `yaml:"singleSnapshot,omitempty"`               // One layer for the whole build.
	SkipTLS                      bool               `yaml:"skipTLS,omitempty"`                      // Do not check certificates when pushing.
	SkipTLSVerifyPull            bool               `yaml:"skipTLSVerifyPull,omitempty"`            // Do not check certificates when pulling.
	SkipUnusedStages             bool               `yaml:"skipUnusedStages,omitempty"`             // Build only stages that the target needs.
	UseNewRun                    bool               `yaml:"useNewRun,omitempty"`                    // Notice changes of RUN without looking at the whole file system.
	WhitelistVarRun              bool               `yaml:"whitelistVarRun,omitempty"`              // Leave /var/run out of the image.
	Dockerfile                   string             `yaml:"dockerfile,omitempty"`                   // The Dockerfile, relative to the context.
	Target                       string             `yaml:"target,omitempty"`                       // Stage to build.
	InitImage                    string             `yaml:"initImage,omitempty"`                    // Image of the helper that takes in the sources.
	Image                        string             `yaml:"image,omitempty"`                        // Image of kaniko.
	ImagePullSecret              string             `yaml:"imagePullSecret,omitempty"`              // Secret with which those two are pulled.
	Destination                  []string           `yaml:"destination,omitempty"`                  // More names under which the image is pushed.
	DigestFile                   string             `yaml:"digestFile,omitempty"`                   // File in the pod that gets the digest.
	ImageFSExtractRetry          string             `yaml:"imageFSExtractRetry,omitempty"`          // How often unpacking the base is tried again.
	ImageNameWithDigestFile      string             `yaml:"imageNameWithDigestFile,omitempty"`      // File that gets the name with the digest.
	LogFormat                    string             `yaml:"logFormat,omitempty"`                    // Look of the log.
	OCILayoutPath                string             `yaml:"ociLayoutPath,omitempty"`                // Folder that gets the image in the OCI layout.
	RegistryMirror               string             `yaml:"registryMirror,omitempty"`               // Mirror of Docker Hub.
	SnapshotMode                 string             `yaml:"snapshotMode,omitempty"`                 // How changed files are noticed.
	PushRetry                    string             `yaml:"pushRetry,omitempty"`                    // How often the push is tried again.
	TarPath                      string             `yaml:"tarPath,omitempty"`                      // Archive that gets the image.
	Verbosity                    string             `yaml:"verbosity,omitempty"`                    // How much the log says.
	InsecureRegistry             []string           `yaml:"insecureRegistry,omitempty"`             // Registries without TLS.
	SkipTLSVerifyRegistry        []string           `yaml:"skipTLSVerifyRegistry,omitempty"`        // Registries whose certificates are not checked.
	Env                          []map[string]any   `yaml:"env,omitempty"`                          // Environment of the build, as Kubernetes writes it.
	Cache                        *KanikoCache       `yaml:"cache,omitempty"`                        // Keep layers for later builds.
	RegistryCertificate          map[string]*string `yaml:"registryCertificate,omitempty"`          // File with the certificate of each registry.
	Label                        map[string]*string `yaml:"label,omitempty"`                        // Labels of the image.
	BuildArgs                    map[string]*string `yaml:"buildArgs,omitempty"`                    // Values for ARG.
	VolumeMounts                 []map[string]any   `yaml:"volumeMounts,omitempty"`                 // Where volumes are mounted, as Kubernetes writes it.
	ContextSubPath               string             `yaml:"contextSubPath,omitempty"`               // Folder below the context that is built.
	IgnorePaths                  []string           `yaml:"ignorePaths,omitempty"`                  // Paths that never enter the image.
	CopyMaxRetries               *int               `yaml:"copyMaxRetries,omitempty"`               // How often sending the sources is tried again.
	CopyTimeout                  string             `yaml:"copyTimeout,omitempty"`                  // How long one try may take.
	BuildContextCompressionLevel *int               `yaml:"buildContextCompressionLevel,omitempty"` // How hard the sources are compressed, from 0 to 9.
}

// KanikoCache is `build.artifacts.kaniko.cache` of the file: keep layers for later builds.
type KanikoCache struct {
	Repo            string `yaml:"repo,omitempty"`            // Where in the registry they are kept.
	HostPath        string `yaml:"hostPath,omitempty"`        // Folder of the node with base images.
	TTL             string `yaml:"ttl,omitempty"`             // How long they are kept.
	CacheCopyLayers bool   `yaml:"cacheCopyLayers,omitempty"` // Keep layers of COPY too.
	CacheRunLayers  *bool  `yaml:"cacheRunLayers,omitempty"`  // Keep layers of RUN.
}

// BuildpacksArtifact is `build.artifacts.buildpacks` of the file: let Cloud Native Buildpacks find out how to build.
type BuildpacksArtifact struct {
	Builder           string              `yaml:"builder,omitempty"`           // Image that builds.
	RunImage          string              `yaml:"runImage,omitempty"`          // Image that the result runs on.
	Env               []string            `yaml:"env,omitempty"`               // Settings for the build, as NAME=value.
	Buildpacks        []string            `yaml:"buildpacks,omitempty"`        // Buildpacks to use, in this order.
	TrustBuilder      bool                `yaml:"trustBuilder,omitempty"`      // Give the builder the registry's credentials.
	ClearCache        bool                `yaml:"clearCache,omitempty"`        // Forget what earlier builds left.
	ProjectDescriptor string              `yaml:"projectDescriptor,omitempty"` // File that describes the project.
	Dependencies      *PathDependencies   `yaml:"dependencies,omitempty"`      // Which files make the image anew when they change.
	Volumes           []*BuildpacksVolume `yaml:"volumes,omitempty"`           // Folders of this machine that the build sees.
	BuildArgs         []string            `yaml:"buildArgs,omitempty"`         // More arguments for the build.
}

// BuildpacksVolume is `build.artifacts.buildpacks.volumes` of the file: folders of this machine that the build sees.
type BuildpacksVolume struct {
	Host    string `yaml:"host,omitempty"`    // Folder of this machine, or volume.
	Target  string `yaml:"target,omitempty"`  // Where the build sees it.
	Options string `yaml:"options,omitempty"` // How it is mounted.
}

// CustomArtifact is `build.artifacts.custom` of the file: build with a command of yours.
type CustomArtifact struct {
	BuildCommand string              `yaml:"buildCommand,omitempty"` // Shell command. It finds the image's name in $IMAGE and pushes it when $PUSH_IMAGE is true.
	Dependencies *CustomDependencies `yaml:"dependencies,omitempty"` // Which files make the image anew when they change.
}

// CustomDependencies is `build.artifacts.custom.dependencies` of the file: which files make the image anew when they change.
type CustomDependencies struct {
	Dockerfile *DockerfileDependency `yaml:"dockerfile,omitempty"` // Read the files from a Dockerfile.
	Command    string                `yaml:"command,omitempty"`    // Command that prints the files as a JSON list.
	Paths      []string              `yaml:"paths,omitempty"`      // Patterns of those files.
	Ignore     []string              `yaml:"ignore,omitempty"`     // Patterns of files that do not count.
}

// DockerfileDependency is `build.artifacts.custom.dependencies.dockerfile` of the file: read the files from a Dockerfile.
type DockerfileDependency struct {
	Path      string             `yaml:"path,omitempty"`      // The Dockerfile, relative to the context.
	BuildArgs map[string]*string `yaml:"buildArgs,omitempty"` // Values for ARG when it is read.
}

// ArtifactRequirement is `build.artifacts.requires` of the file: images of this project that are built first and that this one is built from.
type ArtifactRequirement struct {
	Image string `yaml:"image,omitempty"` // Name of the other artifact.
	Alias string `yaml:"alias,omitempty"` // ARG, or environment variable, that gets its reference.
}
