package main

import (
	"encoding/json"
	"net"
	"os"
	"strings"
	"testing"
	"time"
)

func TestSettings(t *testing.T) {
	c := scratch(t)
	if err := writeSecrets(c.path("pki"), []net.IP{net.IPv4(127, 0, 0, 1)}); err != nil {
		t.Fatal(err)
	}
	if err := c.writeConfig(c.values("localhost/pause:x")); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, file string
		want       []string
	}{
		{"the runtime finds sandbox image, mirrors and network", "etc/containerd.toml", []string{
			`sandbox_image = "localhost/pause:x"`, `config_path = "` + c.home + `/etc/certs.d"`, `conf_dir = "` + c.home + `/etc/cni"`,
			"restrict_oom_score_adj = true",
		}},
		{"the local registry answers for itself", "etc/certs.d/localhost:5005/hosts.toml", []string{`server = "http://localhost:5005"`}},
		{"and for all others", "etc/certs.d/_default/hosts.toml", []string{`[host."http://localhost:5005"]`}},
		{"the kubelet uses the runtime and asks for certificates", "etc/kubelet.yaml", []string{
			"containerRuntimeEndpoint: unix:///run/skiff-e2e/containerd.sock", "clusterDNS: [10.96.0.10]",
			"anonymous: {enabled: false}", "failCgroupV1: false",
		}},
		{"the registry listens on loopback only", "etc/registry.yaml", []string{`addr: "127.0.0.1:5005"`}},
		{"DNS reads the cluster", "etc/Corefile", []string{"kubeconfig " + c.home + "/kubeconfig skiff-e2e"}},
		{"people get a context", "kubeconfig", []string{"current-context: skiff-e2e", "server: https://127.0.0.1:6443", "token: " + secret(t, c)}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			data, err := os.ReadFile(c.path(tt.file))
			if err != nil {
				t.Fatal(err)
			}
			for _, want := range tt.want {
				if !strings.Contains(string(data), want) {
					t.Errorf("%s has no %q:\n%s", tt.file, want, data)
				}
			}
		})
	}
	data, err := os.ReadFile(c.path("etc", "cni", "10-skiff.conflist"))
	if err != nil || !json.Valid(data) {
		t.Errorf("network settings are no JSON: %v\n%s", err, data)
	}
}

func secret(t *testing.T, c *cluster) string {
	t.Helper()
	token, err := os.ReadFile(c.path("pki", "token"))
	if err != nil || len(token) != 48 {
		t.Fatalf("token %q, %v", token, err)
	}
	return string(token)
}

func TestSecretsStayWhileTheyAreGood(t *testing.T) {
	c := scratch(t)
	dir := c.path("pki")
	home := []net.IP{net.IPv4(127, 0, 0, 1), net.IPv4(192, 0, 2, 1)}
	moved := append(home[:1:1], net.IPv4(192, 0, 2, 2))
	if fresh(dir, home) {
		t.Error("an empty folder has good secrets")
	}
	var tokens []string
	for _, addresses := range [][]net.IP{home, home, moved} {
		if err := writeSecrets(dir, addresses); err != nil {
			t.Fatal(err)
		}
		if !fresh(dir, addresses) {
			t.Errorf("new secrets are not good for %v", addresses)
		}
		tokens = append(tokens, secret(t, c))
	}
	if tokens[0] != tokens[1] || tokens[1] == tokens[2] {
		t.Errorf("tokens %q: want the same while the machine stays, another when it moved", tokens)
	}
}

func TestReadySince(t *testing.T) {
	start := time.Date(2026, 1, 2, 3, 4, 5, 900e6, time.UTC)
	for _, tt := range []struct {
		name, status string
		ready        bool
	}{
		{"no word yet", `{}`, false},
		{"not ready", `{"conditions":[{"type":"Ready","status":"False","message":"cni","lastHeartbeatTime":"2026-01-02T03:04:06Z"}]}`, false},
		{"the word of a kubelet that was killed", `{"conditions":[{"type":"Ready","status":"True","lastHeartbeatTime":"2026-01-02T03:04:04Z"}]}`, false},
		{"ready in the same second", `{"conditions":[{"type":"Ready","status":"True","lastHeartbeatTime":"2026-01-02T03:04:05Z"}]}`, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var n node
			if err := json.Unmarshal([]byte(`{"status":`+tt.status+`}`), &n); err != nil {
				t.Fatal(err)
			}
			if err := n.readySince(start); (err == nil) != tt.ready {
				t.Errorf("readySince = %v", err)
			}
		})
	}
}
