package config

// Manifests is `manifests` of the file: which objects are deployed.
type Manifests struct {
	RawYaml         []string          `yaml:"rawYaml,omitempty"`         // Files, folders, patterns and addresses of manifests.
	RemoteManifests []*RemoteManifest `yaml:"remoteManifests,omitempty"` // Objects that are read from a cluster.
	Kustomize       *Kustomize        `yaml:"kustomize,omitempty"`       // Manifests that kustomize makes.
	Helm            *HelmRender       `yaml:"helm,omitempty"`            // Manifests that helm makes from charts. They are applied like all others.
	Kpt             []string          `yaml:"kpt,omitempty"`             // Folders of kpt packages.
	Hooks           RenderHooks       `yaml:"hooks,omitempty"`           // Commands of this machine around rendering. Those after it read the manifests.
	Transform       []*Transformer    `yaml:"transform,omitempty"`       // Functions that change the manifests.
	Validate        []*Validator      `yaml:"validate,omitempty"`        // Functions that check the manifests.
	Output          string            `yaml:"output,omitempty"`          // Taken, and without effect.
}

// RemoteManifest is `manifests.remoteManifests` of the file: objects that are read from a cluster.
type RemoteManifest struct {
	Manifest    string `yaml:"manifest,omitempty"`    // Which object, as [namespace:]kind/name.
	KubeContext string `yaml:"kubeContext,omitempty"` // From which cluster.
}

// Kustomize is `manifests.kustomize` of the file: manifests that kustomize makes.
type Kustomize struct {
	Paths     []string `yaml:"paths,omitempty"`     // Folders with a kustomization.yaml.
	BuildArgs []string `yaml:"buildArgs,omitempty"` // More arguments for kustomize build.
}

// HelmRender is `manifests.helm` of the file: manifests that helm makes from charts.
type HelmRender struct {
	Flags    HelmFlags      `yaml:"flags,omitempty"`    // More flags for helm.
	Releases []*HelmRelease `yaml:"releases,omitempty"` // The releases.
}

// HelmFlags is `manifests.helm.flags` of the file: more flags for helm.
type HelmFlags struct {
	Global   []string `yaml:"global,omitempty"`   // For every command.
	Install  []string `yaml:"install,omitempty"`  // For install.
	Upgrade  []string `yaml:"upgrade,omitempty"`  // For upgrade.
	DepBuild []string `yaml:"depBuild,omitempty"` // For dependency build.
	Template []string `yaml:"template,omitempty"` // For template.
}

// HelmRelease is `manifests.helm.releases` of the file: the releases.
type HelmRelease struct {
	Name                  string            `yaml:"name,omitempty"`                  // Name of the release.
	ChartPath             string            `yaml:"chartPath,omitempty"`             // Folder or archive of the chart on this machine.
	RemoteChart           string            `yaml:"remoteChart,omitempty"`           // Chart of a repository, or its address.
	ValuesFiles           []string          `yaml:"valuesFiles,omitempty"`           // Files with values. ~ is the home folder.
	Namespace             string            `yaml:"namespace,omitempty"`             // Where the release goes.
	Version               string            `yaml:"version,omitempty"`               // Version of the chart.
	SetValues             FlatMap           `yaml:"setValues,omitempty"`             // Values, as --set takes them. Nested ones are written out.
	SetValueTemplates     FlatMap           `yaml:"setValueTemplates,omitempty"`     // Values that name images and variables.
	SetFiles              map[string]string `yaml:"setFiles,omitempty"`              // Values that are the content of a file.
	CreateNamespace       *bool             `yaml:"createNamespace,omitempty"`       // Make the namespace.
	Wait                  bool              `yaml:"wait,omitempty"`                  // Let helm wait until it runs.
	RecreatePods          bool              `yaml:"recreatePods,omitempty"`          // Start every pod anew.
	SkipBuildDependencies bool              `yaml:"skipBuildDependencies,omitempty"` // Do not fetch the charts that this one needs.
	SkipTests             bool              `yaml:"skipTests,omitempty"`             // Leave the tests of the chart out.
	UseHelmSecrets        bool              `yaml:"useHelmSecrets,omitempty"`        // Decrypt with the secrets plugin.
	Repo                  string            `yaml:"repo,omitempty"`                  // Address of the chart's repository.
	UpgradeOnChange       *bool             `yaml:"upgradeOnChange,omitempty"`       // Upgrade a release that is there.
	Overrides             map[string]any    `yaml:"overrides,omitempty"`             // Values, written as in a file of values.
	Packaged              *HelmPackaged     `yaml:"packaged,omitempty"`              // Make an archive of the chart first.
	DependsOn             []string          `yaml:"dependsOn,omitempty"`             // Releases that come first.
}

// HelmPackaged is `manifests.helm.releases.packaged` of the file: make an archive of the chart first.
type HelmPackaged struct {
	Version    string `yaml:"version,omitempty"`    // Version of the archive.
	AppVersion string `yaml:"appVersion,omitempty"` // Version of the program in it.
}

// Transformer is `manifests.transform` of the file: functions that change the manifests.
type Transformer struct {
	Name      string   `yaml:"name,omitempty"`      // Which function.
	ConfigMap []string `yaml:"configMap,omitempty"` // Its arguments, as KEY:VALUE.
}

// Validator is `manifests.validate` of the file: functions that check the manifests.
type Validator struct {
	Name      string   `yaml:"name,omitempty"`      // Which function.
	ConfigMap []string `yaml:"configMap,omitempty"` // Its arguments, as KEY:VALUE.
}
