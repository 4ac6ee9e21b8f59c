package kube

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/tools/remotecommand"
	"k8s.io/client-go/transport/spdy"
	"k8s.io/klog/v2"
	"k8s.io/streaming/pkg/httpstream"
)

// Exec is a command to run in a container.
type Exec struct {
	Namespace, Pod, Container string
	Command                   []string
	Stdin                     io.Reader // nil: none
	Stdout, Stderr            io.Writer // nil: thrown away
}

// Exec runs the command and returns when it has ended and all its output is written: over a WebSocket, or SPDY where
// that is refused. An exit code other than 0 is an exec.CodeExitError of k8s.io/client-go/util/exec.
func (c *Cluster) Exec(ctx context.Context, e Exec) error {
	u := c.podURL(e.Namespace, e.Pod, "exec", &corev1.PodExecOptions{
		Container: e.Container, Command: e.Command, Stdin: e.Stdin != nil, Stdout: e.Stdout != nil, Stderr: e.Stderr != nil,
	})
	socket, err := remotecommand.NewWebSocketExecutor(c.Config, http.MethodGet, u.String())
	if err != nil {
		return fmt.Errorf("exec in pod %s/%s: %w", e.Namespace, e.Pod, err)
	}
	spdy, err := remotecommand.NewSPDYExecutor(c.Config, http.MethodPost, u)
	if err != nil {
		return fmt.Errorf("exec in pod %s/%s: %w", e.Namespace, e.Pod, err)
	}
	run, err := remotecommand.NewFallbackExecutor(socket, spdy, refused)
	if err != nil {
		return fmt.Errorf("exec in pod %s/%s: %w", e.Namespace, e.Pod, err)
	}
	ctx = klog.NewContext(ctx, logr.Discard())
	return run.StreamWithContext(ctx, remotecommand.StreamOptions{Stdin: e.Stdin, Stdout: e.Stdout, Stderr: e.Stderr})
}

// DialPod opens a port-forward connection to a pod: a WebSocket with SPDY inside, or plain SPDY where that is refused.
// Each forwarded TCP connection is a pair of streams on it.
func (c *Cluster) DialPod(namespace, pod string) (httpstream.Connection, error) {
	u := c.podURL(namespace, pod, "portforward", nil)
	socket, err := portforward.NewSPDYOverWebsocketDialerForStreamingWithLogger(logr.Discard(), u, c.Config)
	if err != nil {
		return nil, fmt.Errorf("dial pod %s/%s: %w", namespace, pod, err)
	}
	transport, upgrader, err := spdy.RoundTripperFor(c.Config)
	if err != nil {
		return nil, fmt.Errorf("dial pod %s/%s: %w", namespace, pod, err)
	}
	plain := spdy.NewDialerForStreaming(upgrader, &http.Client{Transport: transport}, http.MethodPost, u)
	conn, _, err := portforward.NewFallbackDialerForStreaming(socket, plain, refused).Dial(portforward.PortForwardProtocolV1Name)
	if err != nil {
		return nil, c.Explain(fmt.Errorf("dial pod %s/%s: %w", namespace, pod, err))
	}
	return conn, nil
}

// Logs streams what a container writes until it ends, or ctx does.
func (c *Cluster) Logs(ctx context.Context, namespace, pod string, o *corev1.PodLogOptions) (io.ReadCloser, error) {
	return c.Typed.CoreV1().Pods(namespace).GetLogs(pod, o).Stream(ctx)
}

// refused is true when something on the way does not speak WebSocket.
func refused(err error) bool {
	return httpstream.IsUpgradeFailure(err) || httpstream.IsHTTPSProxyError(err)
}

func (c *Cluster) podURL(namespace, pod, subresource string, o *corev1.PodExecOptions) *url.URL {
	r := rest.NewRequest(c.Typed.CoreV1().RESTClient().(*rest.RESTClient)).
		Resource("pods").Namespace(namespace).Name(pod).SubResource(subresource)
	if o != nil {
		r = r.VersionedParams(o, scheme.ParameterCodec)
	}
	return r.URL()
}
