package config

// Metadata is `metadata` of the file: naming and free-form labels of this module.
type Metadata struct {
	Name        string            `yaml:"name,omitempty"`        // Module name used by requires, -m and messages; unique across files.
	Labels      map[string]string `yaml:"labels,omitempty"`      // Free key/value labels on the module; not applied to resources.
	Annotations map[string]string `yaml:"annotations,omitempty"` // Free key/value notes on the module; not applied to resources.
}

// Requirement is `requires` of the file: other configs that must be loaded before this one.
type Requirement struct {
	Configs                []string            `yaml:"configs,omitempty"`                // Module names to pick from the target file.
	Path                   string              `yaml:"path,omitempty"`                   // Target file or folder (folder means its skaffold.yaml); may be a URL.
	Git                    *GitSource          `yaml:"git,omitempty"`                    // Target lives in a git repository that is cloned to the cache.
	GoogleCloudStorage     *CloudStorageSource `yaml:"googleCloudStorage,omitempty"`     // Target lives in a storage bucket and is downloaded to the cache.
	GoogleCloudBuildRepoV2 *CloudBuildSource   `yaml:"googleCloudBuildRepoV2,omitempty"` // Target lives in a repository linked to Cloud Build.
	ActiveProfiles         []*ActiveProfile    `yaml:"activeProfiles,omitempty"`         // Which profiles to switch on in the required config.
}

// GitSource is `requires.git` of the file: target lives in a git repository that is cloned to the cache.
type GitSource struct {
	Repo string `yaml:"repo,omitempty"` // Clone address of the repository.
	Path string `yaml:"path,omitempty"` // File or folder inside the repository.
	Ref  string `yaml:"ref,omitempty"`  // Branch, tag or commit to check out.
	Sync *bool  `yaml:"sync,omitempty"` // False keeps an existing clone as it is.
}

// CloudStorageSource is `requires.googleCloudStorage` of the file: target lives in a storage bucket and is downloaded to the cache.
type CloudStorageSource struct {
	Source string `yaml:"source,omitempty"` // Object address with optional wildcards, scheme gs.
	Path   string `yaml:"path,omitempty"`   // File or folder inside the downloaded tree.
	Sync   *bool  `yaml:"sync,omitempty"`   // False keeps an existing download.
}

// CloudBuildSource is `requires.googleCloudBuildRepoV2` of the file: target lives in a repository linked to Cloud Build.
type CloudBuildSource struct {
	ProjectID  string `yaml:"projectID,omitempty"`  // Project that owns the repository link.
	Region     string `yaml:"region,omitempty"`     // Region of the repository link.
	Connection string `yaml:"connection,omitempty"` // Name of the connection holding the repository.
	Repo       string `yaml:"repo,omitempty"`       // Repository name within the connection.
	Path       string `yaml:"path,omitempty"`       // File or folder inside the repository.
	Ref        string `yaml:"ref,omitempty"`        // Branch, tag or commit to check out.
	Sync       *bool  `yaml:"sync,omitempty"`       // False keeps an existing clone as it is.
}

// ActiveProfile is `requires.activeProfiles` of the file: which profiles to switch on in the required config.
type ActiveProfile struct {
	Name        string   `yaml:"name,omitempty"`        // Profile of the required config to switch on.
	ActivatedBy []string `yaml:"activatedBy,omitempty"` // Only when one of these local profiles is active.
}
