package cli

// renderFlags are those of commands that make manifests.
func renderFlags() []flagDef {
	return []flagDef{
		{name: "set", target: func(o *options) any { return &o.setters }, def: []string(nil), commands: "render delete", help: "values for fields that a comment marks (# kpt-set: ${NAME}), as NAME=VALUE"},
		{name: "set-value-file", target: func(o *options) any { return &o.setterFile }, def: "", commands: "render delete", help: "file with such values, one NAME=VALUE in a line; --set wins"},
		{name: "resource-selector-rules-file", target: func(o *options) any { return &o.rulesFile }, def: "", commands: deploying + " render filter", help: "file with more rules on which kinds get images and labels: allow and deny, as under resourceSelector"},
		{name: "kube-context", target: func(o *options) any { return &o.kubeContext }, def: "", commands: "filter", help: "use this context of the kubeconfig"},
		{name: "kubeconfig", target: func(o *options) any { return &o.kubeconfig }, def: "", commands: "filter", help: "path of the kubeconfig file"},
		{name: "namespace", short: "n", target: func(o *options) any { return &o.namespace }, def: "", commands: "filter", help: "put this namespace on objects that name none"},
		{name: "build-artifacts", short: "a", target: func(o *options) any { return &o.buildArtifact }, def: "", commands: "filter", help: "file with the images to use, as build --file-output writes it"},
		{name: "images", short: "i", target: func(o *options) any { return &o.images }, def: []string(nil), commands: "filter", help: "images to use, as NAME:TAG or NAME=REFERENCE"},
		{name: "label", short: "l", target: func(o *options) any { return &o.labels }, def: []string(nil), commands: "filter", help: "put these labels on every object"},
		{name: "debugging", target: func(o *options) any { return &o.debugging }, def: false, commands: "filter", help: "make objects ready for a debugger; not supported yet"},
		{name: "post-renderer", target: func(o *options) any { return &o.postRenderer }, def: "", commands: "filter", help: "program that the manifests go through before"},
	}
}
