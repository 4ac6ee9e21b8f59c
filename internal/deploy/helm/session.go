package helm

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"helm.sh/helm/v4/pkg/action"
	helmkube "helm.sh/helm/v4/pkg/kube"
	"helm.sh/helm/v4/pkg/postrenderer"
	"helm.sh/helm/v4/pkg/storage"
	"helm.sh/helm/v4/pkg/storage/driver"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/skiff-dev/skiff/internal/kube"
)

const (
	// defaultTimeout is helm's.
	defaultTimeout = 5 * time.Minute
	// historyMax is how many revisions helm keeps of a release.
	historyMax = 10
)

// gate lets requests through until its context ends: helm's library goes on in the background when it is interrupted, and
// must change nothing any more.
type gate struct {
	http.RoundTripper
	over <-chan struct{}
}

// RoundTrip sends the request, unless it is over.
func (g gate) RoundTrip(r *http.Request) (*http.Response, error) {
	select {
	case <-g.over:
		return nil, context.Canceled
	default:
		return g.RoundTripper.RoundTrip(r)
	}
}

// client is helm's, but for how it waits.
type client struct {
	*helmkube.Client
	until helmkube.WaitOption // the operation's end
	wait  func(timeout time.Duration, o []*kube.Object) error
}

// GetWaiter is a waiter that explains.
func (c *client) GetWaiter(s helmkube.WaitStrategy) (helmkube.Waiter, error) {
	return c.GetWaiterWithOptions(s)
}

// GetWaiterWithOptions is a waiter that explains.
func (c *client) GetWaiterWithOptions(s helmkube.WaitStrategy, o ...helmkube.WaitOption) (helmkube.Waiter, error) {
	w, err := c.Client.GetWaiterWithOptions(s, append(o, c.until)...)
	if err != nil || c.wait == nil || s == helmkube.HookOnlyStrategy {
		return w, err
	}
	return waiter{w, c}, nil
}

// waiter waits for a release's objects as skiff waits for others: by watch, and with the cause of a failure at once.
type waiter struct {
	helmkube.Waiter
	client *client
}

// Wait returns when the objects run, or says why they do not.
func (w waiter) Wait(resources helmkube.ResourceList, timeout time.Duration) error {
	var objects []*kube.Object
	for _, info := range resources {
		content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(info.Object)
		if err != nil {
			return fmt.Errorf("read %s: %w", info.Name, err)
		}
		objects = append(objects, &kube.Object{Unstructured: unstructured.Unstructured{Object: content}})
	}
	return w.client.wait(timeout, objects)
}

// operation is helm's library, ready for one operation on a release.
func (d *Deployer) operation(ctx context.Context, namespace string, history int) *action.Configuration {
	quiet := slog.DiscardHandler
	over := ctx.Done()
	getter := d.cluster.Getter(namespace, func(rt http.RoundTripper) http.RoundTripper { return gate{rt, over} })
	k := helmkube.New(getter)
	k.Namespace = namespace
	k.SetLogger(quiet)
	config := action.NewConfiguration(action.ConfigurationSetLogger(quiet))
	config.RESTClientGetter = getter
	own := &client{Client: k, until: helmkube.WithWaitContext(ctx)}
	if d.options.Wait != nil {
		own.wait = func(timeout time.Duration, o []*kube.Object) error {
			ctx, cancel := context.WithTimeout(ctx, timeout)
			defer cancel()
			return d.options.Wait(ctx, o)
		}
	}
	config.KubeClient = own
	// The record of a release is written also when the operation was interrupted.
	config.Releases = storage.Init(driver.NewSecrets(d.cluster.Typed.CoreV1().Secrets(namespace)))
	config.Releases.SetLogger(quiet)
	config.Releases.MaxHistory = historyMax
	if history > 0 {
		config.Releases.MaxHistory = history
	}
	config.HookOutputFunc = func(string, string, string) io.Writer { return io.Discard }
	return config
}

// post is the release's own post-renderer.
type post func([]byte) ([]byte, error)

var _ postrenderer.PostRenderer = post(nil)

// Run puts images and labels in.
func (p post) Run(in *bytes.Buffer) (*bytes.Buffer, error) {
	if p == nil {
		return in, nil
	}
	out, err := p(in.Bytes())
	return bytes.NewBuffer(out), err
}

func timeoutOf(s Settings) time.Duration {
	if s.Timeout > 0 {
		return s.Timeout
	}
	return defaultTimeout
}

func strategy(r Release, s Settings) helmkube.WaitStrategy {
	if r.Wait || s.Wait || s.WaitForJobs || s.Atomic {
		return helmkube.StatusWatcherStrategy
	}
	return helmkube.HookOnlyStrategy
}
