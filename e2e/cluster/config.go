package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"text/template"
)

const (
	contextName    = "skiff-e2e"
	nodeName       = "node1"
	podRange       = "10.244.0.0/24"
	serviceRange   = "10.96.0.0/16"
	serviceAddress = "10.96.0.1"
	dnsAddress     = "10.96.0.10"
	registryHost   = "localhost:5005" // not 5000: tutorials forward that
	runtimeSocket  = runDir + "/containerd.sock"
	engineSocket   = "/var/run/docker.sock"
)

// The settings of the parts, as templates over values. Why a line is as it is, stands above it.
const (
	// ptp instead of the usual bridge: all traffic between pods is routed by the host, so service addresses work without
	// the br_netfilter module, and no bridge can be left over.
	cniConfig = `{
  "cniVersion": "0.4.0",
  "name": "skiff-e2e",
  "plugins": [
    {"type": "ptp", "ipMasq": false, "ipam": {"type": "host-local", "dataDir": "{{.Run}}/cni", "subnet": "{{.Pods}}", "routes": [{"dst": "0.0.0.0/0"}]}},
    {"type": "portmap", "snat": true, "capabilities": {"portMappings": true}}
  ]
}
`
	// restrict_oom_score_adj: without CAP_SYS_RESOURCE runc cannot lower a score, and every sandbox would die at its start.
	runtimeConfig = `version = 2
root = "{{.Home}}/containerd"
state = "{{.Run}}/containerd"
[grpc]
  address = "{{.Socket}}"
[plugins."io.containerd.internal.v1.opt"]
  path = "{{.Home}}/containerd/opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{{.Pause}}"
  restrict_oom_score_adj = true
  stream_server_address = "127.0.0.1"
[plugins."io.containerd.grpc.v1.cri".registry]
  config_path = "{{.Home}}/etc/certs.d"
[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = "/usr/lib/cni"
  conf_dir = "{{.Home}}/etc/cni"
`
	ownHosts = `server = "http://{{.Registry}}"
[host."http://{{.Registry}}"]
  capabilities = ["pull", "resolve"]
`
	// Every other registry is answered by the local one first, so that pods can run busybox or python:3.12-slim.
	otherHosts = `[host."http://{{.Registry}}"]
  capabilities = ["pull", "resolve"]
`
	// failCgroupV1: machines with the old cgroups are good enough for tests. makeIPTablesUtilChains: nothing needs those
	// rules, and nobody would take them away.
	nodeConfig = `apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
containerRuntimeEndpoint: unix://{{.Socket}}
cgroupDriver: cgroupfs
failCgroupV1: false
failSwapOn: false
authentication:
  anonymous: {enabled: false}
  webhook: {enabled: false}
  x509: {clientCAFile: "{{.Home}}/pki/ca.crt"}
authorization: {mode: AlwaysAllow}
clusterDomain: cluster.local
clusterDNS: [{{.DNS}}]
makeIPTablesUtilChains: false
serializeImagePulls: false
registryPullQPS: 0
eventRecordQPS: 0
podLogsDir: "{{.Home}}/pod-logs"
volumePluginDir: "{{.Home}}/kubelet/plugins-exec"
evictionHard: {nodefs.available: "1%", imagefs.available: "1%", memory.available: "100Mi"}
imageGCHighThresholdPercent: 99
`
	registryConfig = `version: 0.1
log: {level: warn}
storage:
  filesystem: {rootdirectory: "{{.Home}}/registry"}
  delete: {enabled: true}
http: {addr: "127.0.0.1:5005"}
`
	// DNS is a program of the host: one fewer image, and it answers before the first pod runs.
	dnsConfig = `.:53535 {
  errors
  ready 127.0.0.1:8181
  kubernetes cluster.local in-addr.arpa ip6.arpa {
    kubeconfig {{.Home}}/kubeconfig {{.Context}}
    pods insecure
    fallthrough in-addr.arpa ip6.arpa
  }
  forward . /etc/resolv.conf
  cache 5
}
`
	kubeConfig = `apiVersion: v1
kind: Config
clusters:
- name: {{.Context}}
  cluster:
    server: https://127.0.0.1:6443
    certificate-authority-data: {{.CA}}
users:
- name: {{.Context}}
  user: {token: {{.Token}}}
contexts:
- name: {{.Context}}
  context: {cluster: {{.Context}}, user: {{.Context}}}
current-context: {{.Context}}
`
)

// values fill the templates.
type values struct {
	Home, Run, Socket, Context, Pods, DNS, Registry, Pause, CA, Token string
}

func (c *cluster) values(pause string) values {
	return values{
		Home: c.home, Run: runDir, Socket: runtimeSocket, Context: contextName, Pods: podRange, DNS: dnsAddress,
		Registry: registryHost, Pause: pause,
	}
}

func render(text string, v values) ([]byte, error) {
	t, err := template.New("").Option("missingkey=error").Parse(text)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	err = t.Execute(&out, v)
	return out.Bytes(), err
}

// writeConfig writes all settings. The secrets must be there.
func (c *cluster) writeConfig(v values) error {
	ca, err := os.ReadFile(c.path("pki", "ca.crt"))
	if err != nil {
		return err
	}
	token, err := os.ReadFile(c.path("pki", "token"))
	if err != nil {
		return err
	}
	v.CA, v.Token = base64.StdEncoding.EncodeToString(ca), string(token)
	for path, text := range map[string]string{
		c.path("etc", "cni", "10-skiff.conflist"):            cniConfig,
		c.path("etc", "containerd.toml"):                     runtimeConfig,
		c.path("etc", "certs.d", registryHost, "hosts.toml"): ownHosts,
		c.path("etc", "certs.d", "_default", "hosts.toml"):   otherHosts,
		c.path("etc", "kubelet.yaml"):                        nodeConfig,
		c.path("etc", "registry.yaml"):                       registryConfig,
		c.path("etc", "Corefile"):                            dnsConfig,
		c.path("kubeconfig"):                                 kubeConfig,
	} {
		data, err := render(text, v)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		if err := writeFile(path, data, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// object is a Kubernetes object as JSON has it.
type object = map[string]any

// registryNotice tells clients which registry this cluster pulls from, in the place that KEP-1755 gave it.
func registryNotice() object {
	return object{
		"apiVersion": "v1", "kind": "ConfigMap",
		"metadata": object{"name": "local-registry-hosting", "namespace": "kube-public"},
		"data":     object{"localRegistryHosting.v1": "host: \"" + registryHost + "\"\n"},
	}
}

// dnsService is the usual address of DNS; what answers there is a program of the host, at the node's address.
func dnsService() object {
	return object{
		"apiVersion": "v1", "kind": "Service",
		"metadata": object{"name": "kube-dns", "namespace": "kube-system"},
		"spec": object{"clusterIP": dnsAddress, "ports": []object{
			{"name": "dns", "port": 53, "targetPort": 53535, "protocol": "UDP"},
			{"name": "dns-tcp", "port": 53, "targetPort": 53535, "protocol": "TCP"},
		}},
	}
}

func dnsEndpoints(address string) object {
	return object{
		"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
		"metadata": object{
			"name": "kube-dns-host", "namespace": "kube-system", "labels": object{"kubernetes.io/service-name": "kube-dns"},
		},
		"addressType": "IPv4",
		"endpoints":   []object{{"addresses": []string{address}}},
		"ports": []object{
			{"name": "dns", "port": 53535, "protocol": "UDP"}, {"name": "dns-tcp", "port": 53535, "protocol": "TCP"},
		},
	}
}

func encode(o object) []byte {
	data, err := json.Marshal(o)
	if err != nil {
		panic(err) // only strings, numbers, lists and maps stand in an object
	}
	return data
}
