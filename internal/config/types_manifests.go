package config

// Manifests is `manifests` of the file: where Kubernetes manifests come from.
type Manifests struct {
	RawYaml         []string          `yaml:"rawYaml,omitempty"`         // Manifest files, globs, URLs or gs addresses.
	RemoteManifests []*RemoteManifest `yaml:"remoteManifests,omitempty"` // Objects fetched from a cluster.
	Kustomize       *Kustomize        `yaml:"kustomize,omitempty"`       // Render with kustomize.
	Helm            *HelmRender       `yaml:"helm,omitempty"`            // Render charts with helm template.
	Kpt             []string          `yaml:"kpt,omitempty"`             // Kpt package folders.
	Hooks           RenderHooks       `yaml:"hooks,omitempty"`           // Host commands around rendering.
	Transform       []*Transformer    `yaml:"transform,omitempty"`       // Built-in kpt functions that change manifests.
	Validate        []*Validator      `yaml:"validate,omitempty"`        // Built-in kpt functions that check manifests.
	Output          string            `yaml:"output,omitempty"`          // Accepted; no effect seen in the code.
}

// RemoteManifest is `manifests.remoteManifests` of the file: objects fetched from a cluster.
type RemoteManifest struct {
	Manifest    string `yaml:"manifest,omitempty"`    // Object in [namespace:]type/name form.
	KubeContext string `yaml:"kubeContext,omitempty"` // Cluster to read from.
}

// Kustomize is `manifests.kustomize` of the file: render with kustomize.
type Kustomize struct {
	Paths     []string `yaml:"paths,omitempty"`     // Kustomization folders or URLs.
	BuildArgs []string `yaml:"buildArgs,omitempty"` // Extra arguments to kustomize build.
}

// HelmRender is `manifests.helm` of the file: render charts with helm template.
type HelmRender struct {
	Flags    HelmFlags      `yaml:"flags,omitempty"`    // Extra helm flags per action.
	Releases []*HelmRelease `yaml:"releases,omitempty"` // Releases to render.
}

// HelmFlags is `manifests.helm.flags` of the file: extra helm flags per action.
type HelmFlags struct {
	Global   []string `yaml:"global,omitempty"`   // Flags on every helm call.
	Install  []string `yaml:"install,omitempty"`  // Flags on helm install.
	Upgrade  []string `yaml:"upgrade,omitempty"`  // Flags on helm upgrade.
	DepBuild []string `yaml:"depBuild,omitempty"` // Flags on helm dep build.
	Template []string `yaml:"template,omitempty"` // Flags on helm template.
}

// HelmRelease is `manifests.helm.releases` of the file: releases to render.
type HelmRelease struct {
	Name                  string            `yaml:"name,omitempty"`                  // Release name.
	ChartPath             string            `yaml:"chartPath,omitempty"`             // Local chart folder or archive.
	RemoteChart           string            `yaml:"remoteChart,omitempty"`           // Chart reference or URL.
	ValuesFiles           []string          `yaml:"valuesFiles,omitempty"`           // Values files; ~ and gs addresses work.
	Namespace             string            `yaml:"namespace,omitempty"`             // Namespace of the release.
	Version               string            `yaml:"version,omitempty"`               // Chart version; ignored with packaged.
	SetValues             FlatMap           `yaml:"setValues,omitempty"`             // Values passed with --set, sorted by key.
	SetValueTemplates     FlatMap           `yaml:"setValueTemplates,omitempty"`     // Values computed from templates, passed with --set.
	SetFiles              map[string]string `yaml:"setFiles,omitempty"`              // Values read from files, --set-file.
	CreateNamespace       *bool             `yaml:"createNamespace,omitempty"`       // Create the namespace on install; helm 3.2 or newer.
	Wait                  bool              `yaml:"wait,omitempty"`                  // Pass --wait.
	RecreatePods          bool              `yaml:"recreatePods,omitempty"`          // Pass --recreate-pods on upgrade.
	SkipBuildDependencies bool              `yaml:"skipBuildDependencies,omitempty"` // Do not run helm dep build (local charts).
	SkipTests             bool              `yaml:"skipTests,omitempty"`             // Leave chart tests out when rendering.
	UseHelmSecrets        bool              `yaml:"useHelmSecrets,omitempty"`        // Run through the secrets plugin.
	Repo                  string            `yaml:"repo,omitempty"`                  // Chart repository URL.
	UpgradeOnChange       *bool             `yaml:"upgradeOnChange,omitempty"`       // Upgrade an installed release again.
	Overrides             map[string]any    `yaml:"overrides,omitempty"`             // Values written to a temporary file and passed with -f.
	Packaged              *HelmPackaged     `yaml:"packaged,omitempty"`              // Package the chart first.
	DependsOn             []string          `yaml:"dependsOn,omitempty"`             // Releases to install first.
}

// HelmPackaged is `manifests.helm.releases.packaged` of the file: package the chart first.
type HelmPackaged struct {
	Version    string `yaml:"version,omitempty"`    // Version for the package.
	AppVersion string `yaml:"appVersion,omitempty"` // App version for the package.
}

// Transformer is `manifests.transform` of the file: built-in kpt functions that change manifests.
type Transformer struct {
	Name      string   `yaml:"name,omitempty"`      // Function name.
	ConfigMap []string `yaml:"configMap,omitempty"` // Arguments as KEY:VALUE texts.
}

// Validator is `manifests.validate` of the file: built-in kpt functions that check manifests.
type Validator struct {
	Name      string   `yaml:"name,omitempty"`      // Function name.
	ConfigMap []string `yaml:"configMap,omitempty"` // Accepted but unused.
}
