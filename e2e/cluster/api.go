package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"
)

// api speaks to the cluster's API server. The driver needs five calls only; a client library would cost more time to build
// than all the rest.
type api struct {
	token  string
	client *http.Client
}

func (c *cluster) api() (*api, error) {
	ca, err := os.ReadFile(c.path("pki", "ca.crt"))
	if err != nil {
		return nil, err
	}
	token, err := os.ReadFile(c.path("pki", "token"))
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}
	return &api{token: string(token), client: &http.Client{Transport: transport}}, nil
}

func (a *api) call(ctx context.Context, method, path string, body []byte) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, "https://127.0.0.1:6443"+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+a.token)
	if method == http.MethodPatch {
		req.Header.Set("Content-Type", "application/apply-patch+yaml")
	}
	return exchange(a.client, req)
}

// apply creates or updates one object by server-side apply; path is that of the object.
func (a *api) apply(ctx context.Context, path string, o object) error {
	_, err := a.call(ctx, http.MethodPatch, path+"?fieldManager=skiff-e2e&force=true", encode(o))
	return err
}

// node is what the driver reads of the cluster's one node.
type node struct {
	Status struct {
		Conditions []struct {
			Type, Status, Message string
			LastHeartbeatTime     time.Time
		}
		Addresses []struct{ Type, Address string }
	}
}

func (a *api) node(ctx context.Context) (node, error) {
	var n node
	data, err := a.call(ctx, http.MethodGet, "/api/v1/nodes/"+nodeName, nil)
	if err != nil {
		return n, err
	}
	return n, json.Unmarshal(data, &n)
}

func (n node) address() string {
	for _, a := range n.Status.Addresses {
		if a.Type == "InternalIP" {
			return a.Address
		}
	}
	return ""
}

// readySince says whether the node reported itself ready at the given time or later: after a hard kill, the API still holds
// what the last kubelet said.
func (n node) readySince(since time.Time) error {
	for _, condition := range n.Status.Conditions {
		if condition.Type != "Ready" {
			continue
		}
		if condition.Status != "True" {
			return fmt.Errorf("node is not ready: %s", condition.Message)
		}
		if condition.LastHeartbeatTime.Before(since.Truncate(time.Second)) {
			return errors.New("node has not reported yet")
		}
		return nil
	}
	return errors.New("node has no condition yet")
}

// exchange sends one request and returns the body of a good answer.
func exchange(client *http.Client, req *http.Request) ([]byte, error) {
	res, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, err
	}
	if res.StatusCode >= 300 {
		return nil, fmt.Errorf("%s %s: %s: %s", req.Method, req.URL.Path, res.Status, strings.TrimSpace(string(data)))
	}
	return data, nil
}

// healthy returns a readiness check: the address answers with 2xx. The certificates of health ports are made up at each
// start, so they prove nothing.
func healthy(url string) func(context.Context) error {
	client := &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true,
	}}
	return func(ctx context.Context) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		_, err = exchange(client, req)
		return err
	}
}

// unixClient speaks HTTP over a unix socket.
func unixClient(socket string) *http.Client {
	return &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		},
	}}
}
