package deploy

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/skiff-dev/skiff/internal/kube"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	// defaultPatience is longer than an API server takes to start again.
	defaultPatience = 45 * time.Second
	// freshFor is how long an API server that has just started may refuse everybody.
	freshFor = 10 * time.Second
	// untoldFor is how long the cluster may be busy before the user hears of it.
	untoldFor = 2 * time.Second

	firstPause, longestPause = 50 * time.Millisecond, 2 * time.Second
)

// ask sends a request, and sends it again as long as the cluster does not answer or is too busy to. Every request of this room
// may arrive twice: an apply is the same the second time, and a deletion names the uid.
func (d *Deployer) ask(ctx context.Context, request func() error) error {
	began := time.Now()
	for wait := firstPause; ; wait = min(2*wait, longestPause) {
		err := request()
		if err == nil {
			d.answered()
			return nil
		}
		if ctx.Err() != nil || !d.passes(err) || time.Since(began) > d.options.Patience {
			return err
		}
		if kube.IsUnreachable(err) || time.Since(began) > untoldFor {
			d.silent(err)
		}
		if pause(ctx, wait) != nil {
			return ctx.Err()
		}
	}
}

// passes is true for a failure that is over when the cluster has come to itself.
func (d *Deployer) passes(err error) bool {
	switch {
	case kube.IsUnreachable(err), apierrors.IsTooManyRequests(err), apierrors.IsServerTimeout(err), apierrors.IsTimeout(err):
		return true
	case apierrors.IsConflict(err):
		// Somebody else wrote the object in the same moment; a conflict about a field or the uid stays one.
		return len(conflictsOf(err)) == 0 && strings.Contains(err.Error(), "object has been modified")
	case apierrors.IsInternalError(err):
		text := err.Error()
		return strings.Contains(text, "failed calling webhook") || strings.Contains(text, "etcdserver")
	case apierrors.IsForbidden(err), apierrors.IsUnauthorized(err):
		d.mu.Lock()
		defer d.mu.Unlock()
		return time.Since(d.downUntil) < freshFor
	}
	return serverFault(err)
}

// serverFault is true for what a proxy or a server that stops says.
func serverFault(err error) bool {
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		return false
	}
	switch status.Status().Code {
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return status.Status().Reason == metav1.StatusReasonServiceUnavailable
}

// silent tells, once for each time, that the cluster is asked again.
func (d *Deployer) silent(err error) {
	d.mu.Lock()
	known := d.down
	d.down, d.downUntil = true, time.Now()
	d.mu.Unlock()
	if !known {
		d.warnAgain("%v; it is asked again for %s", d.cluster.Explain(err), d.options.Patience.Round(time.Second))
	}
}

// answered ends a time of silence. Where requests run side by side, one answer among failures ends nothing.
func (d *Deployer) answered() {
	d.mu.Lock()
	was := d.down && time.Since(d.downUntil) > time.Second
	if was {
		d.down = false
	}
	d.mu.Unlock()
	if was {
		d.note("the cluster answers again")
	}
}
