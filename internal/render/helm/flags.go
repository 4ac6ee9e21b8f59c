package helm

import (
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	helmvalues "helm.sh/helm/v4/pkg/cli/values"
)

// Settings are the switches of helm's commands that the library can express.
type Settings struct {
	Timeout                                                       time.Duration
	Wait, WaitForJobs, Atomic, CleanupOnFail                      bool
	CreateNamespace, NoHooks, SkipCRDs, IncludeCRDs, SkipTests    bool
	SkipSchemaValidation, DisableOpenAPIValidation, EnableDNS     bool
	Force, ForceConflicts, TakeOwnership, RenderSubNotes, Upgrade bool
	ResetValues, ReuseValues, ResetThenReuseValues                bool
	ServerSide                                                    string
	HistoryMax                                                    int
	Description                                                   string
	KubeVersion                                                   string
	APIVersions                                                   []string
	Labels                                                        map[string]string
}

// access is how charts are fetched.
type access struct {
	CaFile, CertFile, KeyFile, Keyring, Username, Password                    string
	InsecureSkipTLSVerify, PlainHTTP, PassCredentialsAll, Verify, Development bool
}

// flags is what one of helm's commands was told by the project file.
type flags struct {
	settings Settings
	access   access
	values   helmvalues.Options
	files    []string // absolute, as far as known
}

// parse reads flags as helm's commands know them. One text may hold a flag and its value.
func (f *flags) parse(args []string) error {
	var words []string
	for _, a := range args {
		// A value may hold blanks; a flag and its value are two words only where the flag stands first.
		if name, value, ok := strings.Cut(a, " "); ok && strings.HasPrefix(a, "-") && !strings.Contains(name, "=") {
			words = append(words, name, strings.TrimSpace(value))
			continue
		}
		words = append(words, a)
	}
	for len(words) > 0 {
		name, value, given := strings.Cut(words[0], "=")
		words = words[1:]
		switch {
		case f.toggle(name) != nil:
			on := !given
			if given {
				parsed, err := strconv.ParseBool(value)
				if err != nil {
					return fmt.Errorf("flag %s of helm takes true or false", name)
				}
				on = parsed
			}
			*f.toggle(name) = on
			continue
		case f.ignored(name):
			if !given && takesValue(name) && len(words) > 0 {
				words = words[1:]
			}
			continue
		}
		if !given {
			if len(words) == 0 {
				return fmt.Errorf("flag %s of helm has no value, or is none that skiff knows", name)
			}
			value, words = words[0], words[1:]
		}
		if err := f.set(name, value); err != nil {
			return err
		}
	}
	return nil
}

// toggle is the switch that a flag without a value means.
func (f *flags) toggle(name string) *bool {
	s, a := &f.settings, &f.access
	switch name {
	case "--wait":
		return &s.Wait
	case "--wait-for-jobs":
		return &s.WaitForJobs
	case "--atomic", "--rollback-on-failure":
		return &s.Atomic
	case "--cleanup-on-fail":
		return &s.CleanupOnFail
	case "--create-namespace":
		return &s.CreateNamespace
	case "--no-hooks":
		return &s.NoHooks
	case "--skip-crds":
		return &s.SkipCRDs
	case "--include-crds":
		return &s.IncludeCRDs
	case "--skip-tests":
		return &s.SkipTests
	case "--skip-schema-validation":
		return &s.SkipSchemaValidation
	case "--disable-openapi-validation":
		return &s.DisableOpenAPIValidation
	case "--enable-dns":
		return &s.EnableDNS
	case "--force", "--force-replace":
		return &s.Force
	case "--force-conflicts":
		return &s.ForceConflicts
	case "--take-ownership":
		return &s.TakeOwnership
	case "--render-subchart-notes":
		return &s.RenderSubNotes
	case "--is-upgrade":
		return &s.Upgrade
	case "--reset-values":
		return &s.ResetValues
	case "--reuse-values":
		return &s.ReuseValues
	case "--reset-then-reuse-values":
		return &s.ResetThenReuseValues
	case "--insecure-skip-tls-verify":
		return &a.InsecureSkipTLSVerify
	case "--plain-http":
		return &a.PlainHTTP
	case "--pass-credentials":
		return &a.PassCredentialsAll
	case "--verify":
		return &a.Verify
	case "--devel":
		return &a.Development
	}
	return nil
}

// ignored is what changes nothing here: how helm prints, and what skiff does in any case.
func (f *flags) ignored(name string) bool {
	return slices.Contains([]string{"--debug", "--install", "-i", "--dependency-update", "--hide-notes", "--output", "-o", "--color",
		"--burst-limit", "--qps", "--validate", "--skip-refresh"}, name)
}

func takesValue(name string) bool {
	return slices.Contains([]string{"--output", "-o", "--color", "--burst-limit", "--qps"}, name)
}

func (f *flags) set(name, value string) error {
	s, a, v := &f.settings, &f.access, &f.values
	texts := map[string]*[]string{
		"--set": &v.Values, "--set-string": &v.StringValues, "--set-json": &v.JSONValues, "--set-file": &v.FileValues,
		"--set-literal": &v.LiteralValues, "--values": &v.ValueFiles, "-f": &v.ValueFiles, "--api-versions": &s.APIVersions, "-a": &s.APIVersions,
	}
	if list := texts[name]; list != nil {
		*list = append(*list, value)
		return nil
	}
	single := map[string]*string{
		"--ca-file": &a.CaFile, "--cert-file": &a.CertFile, "--key-file": &a.KeyFile, "--keyring": &a.Keyring, "--username": &a.Username,
		"--password": &a.Password, "--description": &s.Description, "--kube-version": &s.KubeVersion, "--server-side": &s.ServerSide,
	}
	if text := single[name]; text != nil {
		*text = value
		return nil
	}
	var err error
	switch name {
	case "--timeout":
		s.Timeout, err = time.ParseDuration(value)
	case "--history-max":
		s.HistoryMax, err = strconv.Atoi(value)
	case "--labels", "-l":
		if s.Labels == nil {
			s.Labels = map[string]string{}
		}
		for _, pair := range strings.Split(value, ",") {
			k, text, _ := strings.Cut(pair, "=")
			s.Labels[k] = text
		}
	case "--post-renderer", "--post-renderer-args":
		return fmt.Errorf("flag %s of helm is not supported: skiff puts images in by itself, and starts no other program", name)
	case "--kube-context", "--kubeconfig", "--namespace", "-n":
		return fmt.Errorf("flag %s of helm has no effect in skiff, which has a flag of that name", name)
	default:
		return fmt.Errorf("flag %s of helm is not supported", name)
	}
	if err != nil {
		return fmt.Errorf("flag %s of helm: %w", name, err)
	}
	return nil
}

// paths is the values files among the flags, absolute.
func (f flags) paths(r *release) []string {
	var all []string
	for _, file := range f.values.ValueFiles {
		if !filepath.IsAbs(file) && !strings.Contains(file, "://") {
			file = filepath.Join(r.source.options.Dir, file)
		}
		all = append(all, file)
	}
	return all
}
