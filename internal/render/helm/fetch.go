package helm

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	v2 "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/cli"
	"helm.sh/helm/v4/pkg/downloader"
	"helm.sh/helm/v4/pkg/getter"
	"helm.sh/helm/v4/pkg/registry"
	"helm.sh/helm/v4/pkg/repo/v1"

	"github.com/skiff-dev/skiff/internal/diag"
)

// chartRef names a chart in a repository or registry.
type chartRef struct {
	name    string // a name in repo, ALIAS/NAME of the user's repositories, oci://…, or an address of an archive
	repo    string
	version string // a constraint; empty: the latest
	access  access
	dir     string // what a relative path starts from
}

// fetcher gets charts from repositories and registries, each once in a session.
type fetcher struct {
	insecure []string

	mu   sync.Mutex
	have map[chartRef]*v2.Chart
}

func newFetcher(insecure []string) *fetcher {
	return &fetcher{insecure: insecure, have: map[chartRef]*v2.Chart{}}
}

// fetch is the chart, a copy of the session's own.
func (f *fetcher) fetch(ctx context.Context, r chartRef) (*v2.Chart, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if c := f.have[r]; c != nil {
		return clone(c), nil
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	file, err := f.download(r)
	if err != nil {
		return nil, f.explain(r, err)
	}
	c, err := loader.Load(file)
	if err != nil {
		return nil, f.explain(r, err)
	}
	f.have[r] = c
	return clone(c), nil
}

func (f *fetcher) download(r chartRef) (string, error) {
	if r.repo == "" && !strings.Contains(r.name, "://") {
		if path := filepath.Join(r.dir, r.name); exists(path) {
			return path, nil
		}
	}
	settings := cli.New()
	a := r.access
	a.PlainHTTP = a.PlainHTTP || f.plain(r.name)
	client, err := a.registry(settings)
	if err != nil {
		return "", err
	}
	name := r.name
	if r.repo != "" {
		if strings.HasPrefix(r.repo, "oci://") {
			name = strings.TrimSuffix(r.repo, "/") + "/" + r.name
		} else if name, err = repo.FindChartInRepoURL(r.repo, r.name, getter.All(settings),
			repo.WithChartVersion(r.version), repo.WithClientTLS(a.CertFile, a.KeyFile, a.CaFile), repo.WithUsernamePassword(a.Username, a.Password),
			repo.WithInsecureSkipTLSVerify(a.InsecureSkipTLSVerify), repo.WithPassCredentialsAll(a.PassCredentialsAll)); err != nil {
			return "", err
		}
	}
	d := downloader.ChartDownloader{
		Out: io.Discard, Keyring: a.Keyring, Getters: getter.All(settings), RegistryClient: client,
		RepositoryConfig: settings.RepositoryConfig, RepositoryCache: settings.RepositoryCache, ContentCache: settings.ContentCache,
		Options: []getter.Option{
			getter.WithPassCredentialsAll(a.PassCredentialsAll), getter.WithTLSClientConfig(a.CertFile, a.KeyFile, a.CaFile),
			getter.WithInsecureSkipVerifyTLS(a.InsecureSkipTLSVerify), getter.WithPlainHTTP(a.PlainHTTP),
			getter.WithBasicAuth(a.Username, a.Password), getter.WithRegistryClient(client),
		},
	}
	if a.Verify {
		d.Verify = downloader.VerifyAlways
	}
	if err := os.MkdirAll(settings.RepositoryCache, 0o755); err != nil {
		return "", fmt.Errorf("make the cache of charts: %w", err)
	}
	file, _, err := d.DownloadToCache(name, r.version)
	return file, err
}

// plain is true for registries on this machine, and for those that the user says so of.
func (f *fetcher) plain(name string) bool {
	rest, ok := strings.CutPrefix(name, "oci://")
	if !ok {
		return false
	}
	host, _, _ := strings.Cut(rest, "/")
	bare := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		bare = h
	}
	return bare == "localhost" || strings.HasPrefix(bare, "127.") || slices.Contains(f.insecure, host)
}

// registry is the client for OCI registries, with the user's logins.
func (a access) registry(settings *cli.EnvSettings) (*registry.Client, error) {
	o := []registry.ClientOption{
		registry.ClientOptEnableCache(true), registry.ClientOptWriter(io.Discard), registry.ClientOptCredentialsFile(settings.RegistryConfig),
	}
	if a.Username != "" {
		o = append(o, registry.ClientOptBasicAuth(a.Username, a.Password))
	}
	if a.PlainHTTP {
		o = append(o, registry.ClientOptPlainHTTP())
	}
	return registry.NewClient(o...)
}

func (f *fetcher) explain(r chartRef, err error) error {
	shown := r.name
	if r.repo != "" {
		shown += " of " + r.repo
	}
	if r.version != "" {
		shown += ", version " + r.version
	}
	hint := "check the name, the version and the address; it is fetched as helm pull would"
	if strings.Contains(err.Error(), "repo ") && strings.Contains(err.Error(), "not found") || strings.Contains(err.Error(), "no repo named") {
		hint = "name the repository's address under repo, or add it with: helm repo add"
	}
	e := diag.Errorf(hint, "chart %s cannot be fetched: %w", shown, err)
	e.Code = diag.CodeDeploy
	return e
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
