package config

// Activation is `profiles.activation` of the file: conditions for automatic use.
type Activation struct {
	Env         string `yaml:"env,omitempty"`         // NAME=regex; leading ! negates; empty means unset or empty.
	KubeContext string `yaml:"kubeContext,omitempty"` // Regex on the current context; leading ! negates.
	Command     string `yaml:"command,omitempty"`     // Regex on the command name; leading ! negates.
}

// Patch is `profiles.patches` of the file: edits in JSON-patch style.
type Patch struct {
	Op    string `yaml:"op,omitempty"`    // Kind of edit.
	Path  string `yaml:"path,omitempty"`  // Place to edit; key=value steps allowed.
	From  string `yaml:"from,omitempty"`  // Source place for move and copy.
	Value any    `yaml:"value,omitempty"` // New value, any YAML.
}

// Profile is a named change to the configuration: values that replace those of the pipeline, and patches.
type Profile struct {
	Name                   string        `yaml:"name,omitempty"`                   // Profile name.
	Activation             []*Activation `yaml:"activation,omitempty"`             // Conditions for automatic use.
	RequiresAllActivations bool          `yaml:"requiresAllActivations,omitempty"` // All conditions must hold instead of one.
	Patches                []*Patch      `yaml:"patches,omitempty"`                // Edits in JSON-patch style.
	Pipeline               `yaml:",inline"`
}
