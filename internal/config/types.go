package config

import (
	"go.yaml.in/yaml/v3"
)

// Config is one document of a project file in the shape of the latest apiVersion, with the place that it came from.
type Config struct {
	APIVersion string         `yaml:"apiVersion"`         // Version of the file format. Older versions keep working; skiff fix upgrades them.
	Kind       string         `yaml:"kind"`               // Says that this is a project file. Any text will do.
	Metadata   Metadata       `yaml:"metadata,omitempty"` // What this config is called, and notes about it.
	Requires   []*Requirement `yaml:"requires,omitempty"` // Configs that this one builds on. Their work is done first.
	Pipeline   `yaml:",inline"`
	Profiles   []*Profile `yaml:"profiles,omitempty"` // Changes to this config that can be switched on.

	File   string `yaml:"-"` // Absolute path of the file that holds the document, "-" for standard input.
	Dir    string `yaml:"-"` // Absolute folder that relative paths of the document start from.
	Index  int    `yaml:"-"` // Position of the document in its file, from 0.
	Remote bool   `yaml:"-"` // The file comes from a repository that was fetched.

	Needs []*Config `yaml:"-" json:"-"` // What it requires; each of them comes before it among the project's configs.

	doc     *document // the tree that the values were read from
	implied implied   // what was filled in only because this config stands alone
}

// implied remembers defaults that Skaffold adds after the point where `diagnose` prints the configuration.
type implied struct{ rawYaml, kubectl bool }

// Pipeline is what a document and a profile have in common: the work from sources to a running project.
type Pipeline struct {
	Build            BuildConfig      `yaml:"build,omitempty"`            // Which images are made, how, and where.
	Test             []*TestCase      `yaml:"test,omitempty"`             // What is tried on images before they are deployed.
	Manifests        Manifests        `yaml:"manifests,omitempty"`        // Which objects are deployed.
	Deploy           DeployConfig     `yaml:"deploy,omitempty"`           // How the objects reach the cluster.
	PortForward      []*PortForward   `yaml:"portForward,omitempty"`      // Ports of the cluster that are reached on this machine.
	ResourceSelector ResourceSelector `yaml:"resourceSelector,omitempty"` // Which kinds of objects are changed: where images and labels are put in.
	Verify           []*VerifyTest    `yaml:"verify,omitempty"`           // Containers that check what was deployed.
	CustomActions    []*CustomAction  `yaml:"customActions,omitempty"`    // Work of yours that skaffold exec runs.
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

// Activation is `profiles.activation` of the file: when the profile switches itself on.
type Activation struct {
	Env         string `yaml:"env,omitempty"`         // Variable and pattern, as NAME=PATTERN. Nothing behind = means empty or not set; ! in front means not.
	KubeContext string `yaml:"kubeContext,omitempty"` // Pattern of the current context. ! in front means not.
	Command     string `yaml:"command,omitempty"`     // Pattern of the command, such as dev. ! in front means not.
}

// Patch is `profiles.patches` of the file: edits of single places.
type Patch struct {
	Op    string `yaml:"op,omitempty"`    // What is done.
	Path  string `yaml:"path,omitempty"`  // The place: keys and positions behind slashes. image=web finds a list's item by a field.
	From  string `yaml:"from,omitempty"`  // Where move and copy take the value from.
	Value any    `yaml:"value,omitempty"` // The value.
}

// Profile is a named change to the configuration: values that replace those of the pipeline, and patches.
type Profile struct {
	Name                   string        `yaml:"name,omitempty"`                   // Name of the profile, for --profile.
	Activation             []*Activation `yaml:"activation,omitempty"`             // When the profile switches itself on. One entry that holds is enough.
	RequiresAllActivations bool          `yaml:"requiresAllActivations,omitempty"` // Every entry must hold.
	Patches                []*Patch      `yaml:"patches,omitempty"`                // Edits of single places.
	Pipeline               `yaml:",inline"`
}
