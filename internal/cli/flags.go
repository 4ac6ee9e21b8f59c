package cli

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// options is every flag of every command. The names, shorthands and defaults are Skaffold's.
type options struct {
	color      int
	timestamps bool
	verbosity  string
	ignored    string // target of flags without effect

	filename              string
	modules, profiles     []string
	profileAutoActivation bool
	propagateProfiles     bool
	remoteCacheDir        string
	syncRemoteCache       string
	kubeContext           string
	kubeconfig            string
	namespace             string

	defaultRepo          string
	tag                  string
	platforms            []string
	disableMultiPlatform string
	loadImages           bool
	checkNodes           string
	cacheArtifacts       bool
	assembles            bool
	cacheFile            string
	insecure             []string
	buildConcurrency     int
	targetImages         []string
	skipTests            bool

	labels        []string
	force         bool
	cleanup       bool
	tail          bool
	portForward   string
	statusCheck   string
	tolerate      bool
	trigger       string
	pollInterval  int
	autoBuild     bool
	autoSync      bool
	autoDeploy    bool
	muteLogs      []string
	eventLog      string
	digestSource  string
	push          string
	quiet         bool
	output        string
	fileOutput    string
	dryRun        bool
	buildArtifact string
	images        []string
	offline       bool
	renderOutput  string
	setters       []string
	setterFile    string
	rulesFile     string
	debugging     bool
	postRenderer  string
	yamlOnly      bool
	templating    bool
	format        string
	allNamespaces bool
	target        string
	strictParity  bool
	envFile       string
	dockerNetwork string

	deployOptions
}

// flagDef is one flag: where it goes, and the commands that have it.
type flagDef struct {
	name, short string
	target      func(*options) any // a pointer that the flag fills
	def         any                // of the type that target points to
	bare        string             // the value of the flag without one
	commands    string             // names, separated by blanks
	help        string
	pending     bool // taken for compatibility, without effect
}

const (
	all        = "dev run build render deploy apply delete diagnose why"
	building   = "dev run build render why"
	deploying  = "dev run deploy apply"
	onCluster  = "dev run build render deploy apply delete images diagnose why " + tasks
	withConfig = all + " filter " + tasks
	tasks      = "test verify exec"
)

func flagTable() []flagDef {
	return slices.Concat(configFlags(), buildFlags(), deployFlags(), renderFlags(), applyFlags(), loopFlags(), pendingFlags())
}

func configFlags() []flagDef {
	return []flagDef{
		{name: "filename", short: "f", target: func(o *options) any { return &o.filename }, def: "", commands: withConfig, help: "path or URL of the project file; - is standard input (default skaffold.yaml)"},
		{name: "module", short: "m", target: func(o *options) any { return &o.modules }, def: []string(nil), commands: withConfig, help: "only these modules of the project"},
		{name: "profile", short: "p", target: func(o *options) any { return &o.profiles }, def: []string(nil), commands: withConfig, help: "activate these profiles; a - in front switches one off"},
		{name: "profile-auto-activation", target: func(o *options) any { return &o.profileAutoActivation }, def: true, commands: withConfig, help: "activate profiles by their activation rules"},
		{name: "propagate-profiles", target: func(o *options) any { return &o.propagateProfiles }, def: true, commands: withConfig, help: "hand profiles on to required configs"},
		{name: "target", target: func(o *options) any { return &o.target }, def: "auto", commands: withConfig, help: "where the project runs: cluster, local (processes of this machine), or auto: the current context if it answers, else local"},
		{name: "strict-parity", target: func(o *options) any { return &o.strictParity }, def: false, commands: "dev run diagnose", help: "with --target=local: what differs from a cluster is a failure"},
		{name: "remote-cache-dir", target: func(o *options) any { return &o.remoteCacheDir }, def: "", commands: withConfig, help: "where repositories that the project requires are kept (default in the user's cache folder)"},
		{name: "sync-remote-cache", target: func(o *options) any { return &o.syncRemoteCache }, def: "", commands: withConfig, help: "when such a repository is fetched: always, missing or never (default always, and missing where nothing is built or deployed)"},
		{name: "kube-context", target: func(o *options) any { return &o.kubeContext }, def: "", commands: onCluster, help: "use this context of the kubeconfig"},
		{name: "kubeconfig", target: func(o *options) any { return &o.kubeconfig }, def: "", commands: onCluster, help: "path of the kubeconfig file"},
		{name: "namespace", short: "n", target: func(o *options) any { return &o.namespace }, def: "", commands: onCluster, help: "use this namespace"},
	}
}

func buildFlags() []flagDef {
	return []flagDef{
		{name: "default-repo", short: "d", target: func(o *options) any { return &o.defaultRepo }, def: "", commands: building + " deploy delete " + tasks, help: "registry that takes the images"},
		{name: "tag", short: "t", target: func(o *options) any { return &o.tag }, def: "", commands: building + " deploy", help: "use this tag for all images"},
		{name: "platform", target: func(o *options) any { return &o.platforms }, def: []string(nil), commands: building, help: "build for these platforms, for instance linux/arm64"},
		{name: "load-images", target: func(o *options) any { return &o.loadImages }, def: false, commands: "deploy", help: "bring images that are in the engine into the nodes of a kind or k3d cluster"},
		{name: "disable-multi-platform-build", target: func(o *options) any { return &o.disableMultiPlatform }, def: "", bare: "true", commands: building, help: "of several platforms build for one only (default true for dev and debug)"},
		{name: "check-cluster-node-platforms", target: func(o *options) any { return &o.checkNodes }, def: "", bare: "true", commands: building, help: "build for the platforms of the cluster's nodes (default true for dev, debug and run)"},
		{name: "assemble", target: func(o *options) any { return &o.assembles }, def: true, commands: building, help: "make only the layers that changed, without a build, where that is certain to make the same image"},
		{name: "cache-artifacts", target: func(o *options) any { return &o.cacheArtifacts }, def: true, commands: building, help: "do not build an image whose sources did not change"},
		{name: "cache-file", target: func(o *options) any { return &o.cacheFile }, def: "", commands: building, help: "where the cache of built images is kept"},
		{name: "insecure-registry", target: func(o *options) any { return &o.insecure }, def: []string(nil), commands: building + " deploy", help: "registries that are spoken to without TLS"},
		{name: "build-concurrency", target: func(o *options) any { return &o.buildConcurrency }, def: -1, commands: building, help: "how many images are built side by side; 0 is no limit, -1 asks the project file"},
		{name: "skip-tests", target: func(o *options) any { return &o.skipTests }, def: false, commands: "dev run build", help: "do not test the images"},
		{name: "push", target: func(o *options) any { return &o.push }, def: "", bare: "true", commands: "build dev run why", help: "push the images, whatever the project file says"},
		{name: "build-image", short: "b", target: func(o *options) any { return &o.targetImages }, def: []string(nil), commands: "build run dev", help: "build only images whose name contains one of these"},
		{name: "quiet", short: "q", target: func(o *options) any { return &o.quiet }, def: false, commands: "build", help: "print only the result, as --output says"},
		{name: "output", short: "o", target: func(o *options) any { return &o.output }, def: "", commands: "build", help: "Go template for the result with --quiet (default {{json .}})"},
		{name: "file-output", target: func(o *options) any { return &o.fileOutput }, def: "", commands: "build", help: "write the result as JSON to this file, for deploy --build-artifacts"},
		{name: "dry-run", target: func(o *options) any { return &o.dryRun }, def: false, commands: "build delete", help: "say what would be done, and do nothing"},
	}
}

func deployFlags() []flagDef {
	return []flagDef{
		{name: "build-artifacts", short: "a", target: func(o *options) any { return &o.buildArtifact }, def: "", commands: "deploy render " + tasks, help: "file with the images to use, as build --file-output writes it"},
		{name: "images", short: "i", target: func(o *options) any { return &o.images }, def: []string(nil), commands: "deploy render " + tasks, help: "images to use, as NAME:TAG or NAME=REFERENCE"},
		{name: "yaml-only", target: func(o *options) any { return &o.yamlOnly }, def: false, commands: "diagnose", help: "print only the project file as it is understood"},
		{name: "digest-source", target: func(o *options) any { return &o.digestSource }, def: "", commands: "render", help: "local builds the images; remote asks the registry; tag uses the tag alone; none leaves the manifests as they are"},
		{name: "offline", target: func(o *options) any { return &o.offline }, def: false, commands: "render", help: "do not speak to a cluster"},
		{name: "output", short: "o", target: func(o *options) any { return &o.renderOutput }, def: "", commands: "render", help: "write the manifests to this file"},
		{name: "output", short: "o", target: func(o *options) any { return &o.renderOutput }, def: "", commands: "diagnose", help: "write what is printed to this file"},
		{name: "enable-templating", target: func(o *options) any { return &o.templating }, def: false, commands: "diagnose", help: "fill in the templates of the fields that have them, as far as the environment goes"},
		{name: "format", target: func(o *options) any { return &o.format }, def: "text", commands: withConfig, help: "how faults are told: text, or json on standard output"},
		{name: "env-file", target: func(o *options) any { return &o.envFile }, def: "", commands: "verify exec", help: "file with NAME=value lines, the environment of every container"},
		{name: "docker-network", target: func(o *options) any { return &o.dockerNetwork }, def: "", commands: "verify exec", help: "network of the Docker engine for containers that run there (default one that is made for them)"},
		{name: "label", short: "l", target: func(o *options) any { return &o.labels }, def: []string(nil), commands: deploying + " render", help: "put these labels on every object"},
		{name: "force", target: func(o *options) any { return &o.force }, def: false, commands: deploying, help: "delete and make again objects that cannot be changed"},
		{name: "status-check", target: func(o *options) any { return &o.statusCheck }, def: "", bare: "true", commands: deploying, help: "wait until everything runs (default true)"},
		{name: "tolerate-failures-until-deadline", target: func(o *options) any { return &o.tolerate }, def: false, commands: deploying, help: "let containers fail until the deadline of the status check"},
		{name: "event-log-file", target: func(o *options) any { return &o.eventLog }, def: "", commands: deploying + " build delete render " + tasks, help: "write every event to this file, one JSON object per line"},
		{name: "mute-logs", target: func(o *options) any { return &o.muteLogs }, def: []string(nil), commands: deploying + " build", help: "show the output of build, deploy, status-check, none or all only when they fail"},
	}
}

func loopFlags() []flagDef {
	return []flagDef{
		{name: "cleanup", target: func(o *options) any { return &o.cleanup }, def: true, commands: "dev", help: "delete what the session created when it ends"},
		{name: "tail", target: func(o *options) any { return &o.tail }, def: false, commands: deploying, help: "show the logs of what was deployed (default true in dev)"},
		{name: "port-forward", target: func(o *options) any { return &o.portForward }, def: "", bare: "true", commands: deploying, help: "forward ports of user,services,pods or off; without a value all three"},
		{name: "trigger", target: func(o *options) any { return &o.trigger }, def: "notify", commands: "dev", help: "how changes are noticed: notify, polling, or manual (Enter)"},
		{name: "watch-poll-interval", short: "i", target: func(o *options) any { return &o.pollInterval }, def: 1000, commands: "dev", help: "milliseconds between two looks of --trigger=polling"},
		{name: "watch-image", short: "w", target: func(o *options) any { return &o.targetImages }, def: []string(nil), commands: "dev", help: "watch only images whose name contains one of these"},
		{name: "auto-build", target: func(o *options) any { return &o.autoBuild }, def: true, commands: "dev", help: "build when something changed; else on Enter"},
		{name: "auto-sync", target: func(o *options) any { return &o.autoSync }, def: true, commands: "dev", help: "sync when something changed; else on Enter"},
		{name: "auto-deploy", target: func(o *options) any { return &o.autoDeploy }, def: true, commands: "dev", help: "deploy when something changed; else on Enter"},
	}
}

// pendingFlags are flags of Skaffold that are taken so that a command line or an environment made for it works, and that change
// nothing here: because skiff needs no such switch, or because the feature behind it is not there yet (said when it is used).
func pendingFlags() []flagDef {
	def := func(name, commands, why string) flagDef {
		return flagDef{name: name, target: func(o *options) any { return &o.ignored }, def: "", bare: "true", commands: commands, help: why, pending: true}
	}
	return []flagDef{
		def("enable-platform-node-affinity", deploying+" render", "not needed: images are built for the platforms of the cluster's nodes"),
		def("enable-gke-arm-node-toleration", deploying+" render", "no effect"),
		def("no-prune", "dev run", "not needed: skiff deletes no images"),
		def("no-prune-children", "dev run", "not needed: skiff deletes no images"),
		def("keep-running-on-failure", "dev", "not needed: dev always keeps running"),
		def("toot", "dev run build", "no effect"),
		def("rpc-port", deploying+" build", "no effect: the event API is not there yet"),
		def("rpc-http-port", deploying+" build", "no effect: the event API is not there yet"),
		def("wait-for-connection", deploying+" build", "no effect: the event API is not there yet"),
		def("enable-rpc", deploying+" build", "no effect: the event API is not there yet"),
		def("last-log-file", all, "no effect"),
		def("auto", all, "no effect"),
		def("auto-create-config", all, "no effect: a missing project file is an error"),
		def("minikube-profile", onCluster, "no effect: name the context with --kube-context"),
		def("detect-minikube", onCluster, "no effect: clusters are known by their context's name"),
		def("hydration-dir", deploying+" render", "no effect: kpt is not supported"),
		def("cloud-run-project", deploying+" render delete", "no effect: Cloud Run is not supported"),
		def("cloud-run-location", deploying+" render delete", "no effect: Cloud Run is not supported"),
		def("loud", "render", "not needed: progress goes to standard error"),
	}
}

// addFlags gives cmd its flags from the table and the flags of every command.
func addFlags(cmd *cobra.Command, o *options) {
	name := cmd.Name()
	for _, def := range flagTable() {
		if slices.Contains(strings.Fields(def.commands), name) {
			addFlag(cmd.Flags(), o, def)
		}
	}
	f := cmd.Flags()
	f.StringVarP(&o.verbosity, "verbosity", "v", "warn", "debug or trace show every request to the cluster; the other levels (info, warn, error, fatal, panic) change nothing")
	f.IntVar(&o.color, "color", 34, "0 switches colours off")
	f.BoolVar(&o.timestamps, "timestamps", false, "put the time in front of every line")
	for _, flag := range []string{"interactive", "update-check"} {
		f.StringVar(&o.ignored, flag, "", "not needed: skiff asks nothing and reports to nobody")
		f.Lookup(flag).NoOptDefVal = "true"
		f.Lookup(flag).Hidden = true
	}
}

func addFlag(f *pflag.FlagSet, o *options, def flagDef) {
	if f.Lookup(def.name) != nil {
		return
	}
	switch target := def.target(o).(type) {
	case *string:
		f.StringVarP(target, def.name, def.short, def.def.(string), def.help)
	case *bool:
		f.BoolVarP(target, def.name, def.short, def.def.(bool), def.help)
	case *int:
		f.IntVarP(target, def.name, def.short, def.def.(int), def.help)
	case *time.Duration:
		f.DurationVarP(target, def.name, def.short, def.def.(time.Duration), def.help)
	case *[]string:
		f.StringSliceVarP(target, def.name, def.short, nil, def.help)
	}
	flag := f.Lookup(def.name)
	flag.Hidden = def.pending
	if def.bare != "" {
		flag.NoOptDefVal = def.bare
	}
}

// fromEnv fills the flags that the command line does not name from SKAFFOLD_* variables, and says which flags have no effect.
func fromEnv(cmd *cobra.Command, w World) (pending []string, err error) {
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if f.Changed || err != nil {
			return
		}
		variable := "SKAFFOLD_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
		value, ok := w.Getenv(variable)
		if own, given := w.Getenv("SKIFF_TARGET"); f.Name == "target" && given {
			variable, value, ok = "SKIFF_TARGET", own, true
		}
		if !ok || value == "" {
			return
		}
		if setErr := cmd.Flags().Set(f.Name, value); setErr != nil {
			err = usage("unset "+variable, fmt.Errorf("%s: %w", variable, setErr))
		}
	})
	for _, def := range pendingFlags() {
		if f := cmd.Flags().Lookup(def.name); f != nil && f.Changed && strings.HasPrefix(def.help, "no effect") {
			pending = append(pending, "--"+def.name+" has "+def.help)
		}
	}
	return pending, err
}
