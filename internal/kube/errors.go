package kube

import (
	"context"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/skiff-dev/skiff/internal/diag"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// pingTimeout is short because `dev` without a flag waits for it before it chooses the local target.
const pingTimeout = 5 * time.Second

// Ping asks the API server for its version: nil when it answers, and answers us.
func (c *Cluster) Ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, pingTimeout, errNoAnswer)
	defer cancel()
	err := c.Typed.Discovery().RESTClient().Get().AbsPath("/version").Do(ctx).Error()
	if err != nil && context.Cause(ctx) == errNoAnswer {
		err = errNoAnswer
	}
	return c.Explain(err)
}

var errNoAnswer = errors.New("no answer within " + pingTimeout.String())

// Explain turns what a client returned into something to act on when the cause is the cluster or the way to it: it cannot
// be reached, or it does not take our credentials. Every other error comes back as it is.
func (c *Cluster) Explain(err error) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	var already *diag.Error
	if errors.As(err, &already) {
		return err
	}
	what, hint := c.describe(err)
	if what == "" {
		return err
	}
	return &diag.Error{What: what, Hint: hint, Code: diag.CodeCluster, Err: err}
}

func (c *Cluster) describe(err error) (what, hint string) {
	text := err.Error()
	switch {
	case apierrors.IsUnauthorized(err):
		return "context \"" + c.Context + "\": the cluster refuses the credentials; they may have expired",
			"log in to the cluster again, then try: kubectl --context " + c.Context + " get pods"
	case strings.Contains(text, "getting credentials: "):
		_, cause, _ := strings.Cut(text, "getting credentials: ")
		return "context \"" + c.Context + "\": the credentials cannot be fetched: " + cause,
			"run the login command of your provider, then try: kubectl --context " + c.Context + " get pods"
	case isCertificate(err):
		return c.at() + ": " + innermost(err), "the certificate authority of context \"" + c.Context + "\" in the kubeconfig is not that of the cluster"
	case IsUnreachable(err):
		return c.at() + " does not answer: " + innermost(err), "start the cluster, or choose another with --kube-context"
	}
	return "", ""
}

func (c *Cluster) at() string { return "cluster \"" + c.Context + "\" at " + c.Host }

// IsUnreachable is true when the request never got an answer, or got one only from something in between.
func IsUnreachable(err error) bool {
	var op *net.OpError
	var dns *net.DNSError
	var timeout net.Error
	if errors.Is(err, errNoAnswer) || errors.As(err, &op) || errors.As(err, &dns) || errors.As(err, &timeout) && timeout.Timeout() {
		return true
	}
	var status apierrors.APIStatus
	if errors.As(err, &status) {
		code := status.Status().Code
		return code == http.StatusBadGateway || code == http.StatusServiceUnavailable && status.Status().Reason == metav1.StatusReasonServiceUnavailable
	}
	text := err.Error()
	return strings.Contains(text, "http2: client connection lost") || strings.Contains(text, "connection reset by peer") ||
		strings.HasSuffix(text, ": EOF") || strings.HasSuffix(text, "unexpected EOF")
}

func isCertificate(err error) bool {
	var unknown x509.UnknownAuthorityError
	var host x509.HostnameError
	var invalid x509.CertificateInvalidError
	return errors.As(err, &unknown) || errors.As(err, &host) || errors.As(err, &invalid)
}

// innermost is the end of the chain, which has neither the URL nor the verb.
func innermost(err error) string {
	for {
		next := errors.Unwrap(err)
		if next == nil {
			return err.Error()
		}
		err = next
	}
}

// warnings passes each text on once: the server repeats them with every request.
type warnings struct {
	warn func(string)
	mu   sync.Mutex
	seen map[string]bool
}

// HandleWarningHeader is part of rest.WarningHandler.
func (w *warnings) HandleWarningHeader(code int, _ string, text string) {
	// 299 is the only code that Kubernetes uses; proxies add others of no interest.
	if w.warn == nil || code != 299 || text == "" {
		return
	}
	w.mu.Lock()
	known := w.seen[text]
	if w.seen == nil {
		w.seen = map[string]bool{}
	}
	w.seen[text] = true
	w.mu.Unlock()
	if !known {
		w.warn(text)
	}
}
