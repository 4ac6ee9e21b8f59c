package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"
)

// controlPlane are the programs that need no container runtime, in the order in which they need each other.
func (c *cluster) controlPlane(kube string) (etcd, apiserver, controllers, scheduler part) {
	pki := func(name string) string { return c.path("pki", name) }
	config := c.path("kubeconfig")
	etcd = part{
		name: "etcd", ports: []int{2379, 2380}, ready: healthy("http://127.0.0.1:2379/health"),
		args: []string{
			kube, "etcd", "--data-dir=" + c.path("etcd"), "--unsafe-no-fsync", "--log-level=warn",
			"--listen-client-urls=http://127.0.0.1:2379", "--advertise-client-urls=http://127.0.0.1:2379",
			"--listen-peer-urls=http://127.0.0.1:2380",
		},
	}
	apiserver = part{
		name: "kube-apiserver", ports: []int{6443}, ready: c.apiReady,
		files: []string{pki("apiserver.crt"), pki("kubelet-client.crt"), pki("tokens.csv"), pki("sa.key")},
		args: []string{
			kube, "kube-apiserver", "--etcd-servers=http://127.0.0.1:2379", "--secure-port=6443",
			"--tls-cert-file=" + pki("apiserver.crt"), "--tls-private-key-file=" + pki("apiserver.key"),
			"--client-ca-file=" + pki("ca.crt"), "--token-auth-file=" + pki("tokens.csv"),
			"--kubelet-client-certificate=" + pki("kubelet-client.crt"), "--kubelet-client-key=" + pki("kubelet-client.key"),
			// Node names do not resolve; logs, exec and port-forward need the node's address.
			"--kubelet-preferred-address-types=InternalIP",
			"--service-account-key-file=" + pki("sa.key"), "--service-account-signing-key-file=" + pki("sa.key"),
			"--service-account-issuer=https://kubernetes.default.svc",
			"--authorization-mode=Node,RBAC", "--allow-privileged=true", "--service-cluster-ip-range=" + serviceRange,
		},
	}
	controllers = part{
		name: "kube-controller-manager", ports: []int{10257}, ready: healthy("https://127.0.0.1:10257/healthz"),
		files: []string{config, pki("sa.key"), pki("ca.crt")},
		args: []string{
			kube, "kube-controller-manager", "--kubeconfig=" + config, "--bind-address=127.0.0.1", "--leader-elect=false",
			"--service-account-private-key-file=" + pki("sa.key"), "--root-ca-file=" + pki("ca.crt"),
			"--kube-api-qps=200", "--kube-api-burst=400",
		},
	}
	scheduler = part{
		name: "kube-scheduler", ports: []int{10259}, ready: healthy("https://127.0.0.1:10259/healthz"), files: []string{config},
		args: []string{kube, "kube-scheduler", "--kubeconfig=" + config, "--bind-address=127.0.0.1", "--leader-elect=false"},
	}
	return etcd, apiserver, controllers, scheduler
}

func (c *cluster) apiReady(ctx context.Context) error {
	a, err := c.api()
	if err != nil {
		return err
	}
	_, err = a.call(ctx, "GET", "/readyz", nil)
	return err
}

// nodeParts are the programs of the node.
func (c *cluster) nodeParts(kube string) (runtime, kubelet, proxy, dns part) {
	config := c.path("kubeconfig")
	runtime = part{
		name: "containerd", files: []string{c.path("etc", "containerd.toml")}, ready: runtimeReady, orphans: true,
		args: []string{"containerd", "--config", c.path("etc", "containerd.toml"), "--log-level", "warn"},
		before: func(context.Context) error {
			return removeFiles(runtimeSocket, runtimeSocket+".ttrpc")
		},
	}
	kubelet = part{
		name: "kubelet", ports: []int{10250, 10248}, ready: healthy("http://127.0.0.1:10248/healthz"),
		files: []string{config, c.path("etc", "kubelet.yaml"), c.path("pki", "ca.crt")},
		args: []string{
			kube, "kubelet", "--kubeconfig=" + config, "--config=" + c.path("etc", "kubelet.yaml"),
			"--hostname-override=" + nodeName, "--root-dir=" + c.path("kubelet"), "--cert-dir=" + c.path("kubelet", "pki"),
		},
	}
	proxy = part{
		name: "kube-proxy", ports: []int{10249, 10256}, ready: healthy("http://127.0.0.1:10249/healthz"), files: []string{config},
		args: []string{
			kube, "kube-proxy", "--kubeconfig=" + config, "--hostname-override=" + nodeName, "--cluster-cidr=" + podRange,
			"--proxy-mode=iptables", "--iptables-min-sync-period=100ms", "--conntrack-max-per-core=0",
		},
	}
	dns = part{
		name: "coredns", ports: []int{8181, 53535}, ready: healthy("http://127.0.0.1:8181/ready"),
		files: []string{config, c.path("etc", "Corefile")},
		args:  []string{kube, "coredns", "-conf", c.path("etc", "Corefile")},
	}
	return runtime, kubelet, proxy, dns
}

// runtimeReady asks containerd over its socket; the kubelet's part of it is up when the version answers.
func runtimeReady(ctx context.Context) error {
	_, err := output(ctx, "ctr", "--address", runtimeSocket, "version")
	return err
}

func (c *cluster) registryPart() part {
	return part{
		name: "registry", ports: []int{5005}, ready: healthy("http://" + registryHost + "/v2/"),
		files: []string{c.path("etc", "registry.yaml")},
		args:  []string{"docker-registry", "serve", c.path("etc", "registry.yaml")},
	}
}

// enginePart shares the cluster's containerd: one program fewer, and it does not lower its own score for the kernel's
// out-of-memory killer, which needs CAP_SYS_RESOURCE.
func (c *cluster) enginePart() part {
	return part{
		name: "dockerd", ready: engineReady, grace: 20 * time.Second,
		args: []string{
			"dockerd", "--host=unix://" + engineSocket, "--containerd=" + runtimeSocket, "--storage-driver=overlay2",
			"--data-root=" + c.path("docker"), "--exec-root=" + filepath.Join(runDir, "docker"),
			"--pidfile=" + filepath.Join(runDir, "docker.pid"), "--registry-mirror=http://" + registryHost,
			"--log-level=warn",
		},
		// It refuses to start when the pid in an old file is any living program's.
		before: func(context.Context) error { return removeFiles(filepath.Join(runDir, "docker.pid"), engineSocket) },
	}
}

func engineReady(ctx context.Context) error {
	_, err := newEngine().call(ctx, "GET", "/_ping", nil, "")
	return err
}

// removeFiles removes what may be there.
func removeFiles(paths ...string) error {
	for _, path := range paths {
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}
