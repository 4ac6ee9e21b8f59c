package config

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
