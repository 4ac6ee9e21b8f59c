package config

import (
	"go.yaml.in/yaml/v3"
)

// Config is one document of a project file in the shape of the latest apiVersion, with the place that it came from.
type Config struct {
	APIVersion string         `yaml:"apiVersion"`         // Schema name of the document, always the latest after Load.
	Kind       string         `yaml:"kind"`               // Document kind; any text passes.
	Metadata   Metadata       `yaml:"metadata,omitempty"` // Naming and free-form labels of this module.
	Requires   []*Requirement `yaml:"requires,omitempty"` // Other configs that must be loaded before this one.
	Pipeline   `yaml:",inline"`
	Profiles   []*Profile `yaml:"profiles,omitempty"` // Named changes to this config.

	File   string `yaml:"-"` // Absolute path of the file that holds the document, "-" for standard input.
	Dir    string `yaml:"-"` // Absolute folder that relative paths of the document start from.
	Index  int    `yaml:"-"` // Position of the document in its file, from 0.
	Remote bool   `yaml:"-"` // The file comes from a repository that was fetched.

	doc     *document // the tree that the values were read from
	implied implied   // what was filled in only because this config stands alone
}

// implied remembers defaults that Skaffold adds after the point where `diagnose` prints the configuration.
type implied struct{ rawYaml, kubectl bool }

// Pipeline is what a document and a profile have in common: the work from sources to a running project.
type Pipeline struct {
	Build            BuildConfig      `yaml:"build,omitempty"`            // How images are produced.
	Test             []*TestCase      `yaml:"test,omitempty"`             // Tests run on built images.
	Manifests        Manifests        `yaml:"manifests,omitempty"`        // Where Kubernetes manifests come from.
	Deploy           DeployConfig     `yaml:"deploy,omitempty"`           // How manifests reach the target.
	PortForward      []*PortForward   `yaml:"portForward,omitempty"`      // Ports to forward to the local machine.
	ResourceSelector ResourceSelector `yaml:"resourceSelector,omitempty"` // Which objects and fields may be changed.
	Verify           []*VerifyTest    `yaml:"verify,omitempty"`           // Containers run as checks by verify.
	CustomActions    []*CustomAction  `yaml:"customActions,omitempty"`    // Named container groups run by exec.
}

// Empty is a block without settings: that it is written says all.
type Empty struct{}

// IntOrName is a port: a number, or the name that a Service or container gives it.
type IntOrName struct {
	Int  int
	Name string
}

// UnmarshalYAML reads a number where the scalar is one, else a name.
func (v *IntOrName) UnmarshalYAML(n *yaml.Node) error {
	*v = IntOrName{}
	if n.ShortTag() == "!!int" {
		return n.Decode(&v.Int)
	}
	return n.Decode(&v.Name)
}

// MarshalYAML writes the name where there is one, else the number.
func (v IntOrName) MarshalYAML() (any, error) {
	if v.Name != "" {
		return v.Name, nil
	}
	return v.Int, nil
}

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
