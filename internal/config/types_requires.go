package config

// Metadata is `metadata` of the file: what this config is called, and notes about it.
type Metadata struct {
	Name        string            `yaml:"name,omitempty"`        // Name of the module: for --module, for "requires" of others, and in messages. No two configs of a project may share it.
	Labels      map[string]string `yaml:"labels,omitempty"`      // Notes as key and value for other tools. They do not reach the cluster.
	Annotations map[string]string `yaml:"annotations,omitempty"` // Notes as key and value for other tools. They do not reach the cluster.
}

// Requirement is `requires` of the file: configs that this one builds on.
type Requirement struct {
	Configs                []string            `yaml:"configs,omitempty"`                // Which modules of the file are needed, by name.
	Path                   string              `yaml:"path,omitempty"`                   // The file, or the folder with a skaffold.yaml, that holds them. It starts from the folder of this file.
	Git                    *GitSource          `yaml:"git,omitempty"`                    // Take the file from a git repository. skiff keeps a clone in its cache.
	GoogleCloudStorage     *CloudStorageSource `yaml:"googleCloudStorage,omitempty"`     // Take the file from a bucket. skiff does not read buckets: copy the files beside the project and name their path.
	GoogleCloudBuildRepoV2 *CloudBuildSource   `yaml:"googleCloudBuildRepoV2,omitempty"` // Take the file from a repository that Cloud Build knows. skiff does not ask Cloud Build: name the repository with "git".
	ActiveProfiles         []*ActiveProfile    `yaml:"activeProfiles,omitempty"`         // Profiles of those configs to switch on.
}

// GitSource is `requires.git` of the file: take the file from a git repository.
type GitSource struct {
	Repo string `yaml:"repo,omitempty"` // Address to clone from, as git takes it.
	Path string `yaml:"path,omitempty"` // Folder or file within the repository.
	Ref  string `yaml:"ref,omitempty"`  // Branch, tag or commit.
	Sync *bool  `yaml:"sync,omitempty"` // Whether an existing clone is brought up to date at every start. false leaves it alone.
}

// CloudStorageSource is `requires.googleCloudStorage` of the file: take the file from a bucket.
type CloudStorageSource struct {
	Source string `yaml:"source,omitempty"` // Address of the objects, such as gs://bucket/configs/*.
	Path   string `yaml:"path,omitempty"`   // Folder or file within the copy.
	Sync   *bool  `yaml:"sync,omitempty"`   // Whether an existing copy is fetched anew at every start.
}

// CloudBuildSource is `requires.googleCloudBuildRepoV2` of the file: take the file from a repository that Cloud Build knows.
type CloudBuildSource struct {
	ProjectID  string `yaml:"projectID,omitempty"`  // Google Cloud project of the connection.
	Region     string `yaml:"region,omitempty"`     // Region of the connection.
	Connection string `yaml:"connection,omitempty"` // Name of the connection.
	Repo       string `yaml:"repo,omitempty"`       // Name of the repository within the connection.
	Path       string `yaml:"path,omitempty"`       // Folder or file within the repository.
	Ref        string `yaml:"ref,omitempty"`        // Branch, tag or commit.
	Sync       *bool  `yaml:"sync,omitempty"`       // Whether an existing clone is brought up to date at every start.
}

// ActiveProfile is `requires.activeProfiles` of the file: profiles of those configs to switch on.
type ActiveProfile struct {
	Name        string   `yaml:"name,omitempty"`        // Name of the profile over there.
	ActivatedBy []string `yaml:"activatedBy,omitempty"` // Profiles of this config; the other is switched on when one of them is active.
}
