package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// down stops all that up started and removes the cluster's state, so that the next up begins with an empty cluster. What
// was built stays: the binary, the layers, and what the registry and the engine hold.
func down(ctx context.Context, c *cluster) error {
	kube, err := c.kubePath(ctx)
	if err != nil {
		return err
	}
	steps := []step{
		// Its containers end with it, and they need containerd for that.
		{"engine", nil, c.stopParts("dockerd")},
		// The kubelet first: it would start again whatever is stopped.
		{"kubelet", nil, c.stopParts("kubelet")},
		{"pods", []string{"engine", "kubelet"}, func(ctx context.Context) (string, error) { return c.stopPods(ctx, kube) }},
		{"parts", []string{"pods"}, c.stopParts(
			"coredns", "kube-proxy", "kube-scheduler", "kube-controller-manager", "registry", "kube-apiserver")},
		{"etcd", []string{"parts"}, c.stopParts("etcd")},
		{"containerd", []string{"pods"}, c.stopParts("containerd")},
		{"rest", []string{"etcd", "containerd"}, c.stopRest},
		{"network", []string{"rest"}, func(ctx context.Context) (string, error) { return "", closeNetwork(ctx, kube) }},
		{"state", []string{"rest"}, c.removeState},
	}
	return runSteps(ctx, c.tell, steps)
}

func (c *cluster) stopParts(names ...string) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		all, err := c.processes("")
		if err != nil {
			return "", err
		}
		all = slices.DeleteFunc(all, func(p process) bool { return !p.leader || !slices.Contains(names, p.part) })
		if len(all) == 0 {
			return "", nil
		}
		return "stopped", c.stop(ctx, all, 20*time.Second)
	}
}

// stopPods removes all pods through the runtime, which tidies up best. Where it does not run, stopRest ends what is left.
func (c *cluster) stopPods(ctx context.Context, kube string) (string, error) {
	runtime, err := c.processes("containerd")
	if err != nil {
		return "", err
	}
	_, running := leaderOf(runtime)
	if _, err := os.Stat(kube); err != nil || !running {
		return "", nil
	}
	// A pod that resists is no reason to leave the cluster half stopped.
	if _, err := output(ctx, kube, "sandboxes", "unix://"+runtimeSocket); err != nil {
		c.tell.say("      %v", err)
		return "some are left for SIGKILL", nil
	}
	return "stopped", nil
}

// stopRest ends children that outlived their part: shims, and containers whose shim was killed.
func (c *cluster) stopRest(ctx context.Context) (string, error) {
	rest, err := c.processes("")
	if err != nil {
		return "", err
	}
	if err := c.stop(ctx, rest, 3*time.Second); err != nil {
		return "", err
	}
	return "", c.killContainers(ctx)
}

// killContainers ends the processes of containers that this cluster's containerd has on its books.
func (c *cluster) killContainers(ctx context.Context) error {
	books, err := filepath.Glob(filepath.Join(runDir, "containerd", "io.containerd.runtime.v2.task", "*", "*"))
	if err != nil {
		return err
	}
	ids := map[string]bool{}
	for _, book := range books {
		ids[filepath.Base(book)] = true
	}
	return until(ctx, 10*time.Second, func(context.Context) error {
		pids, err := pidsIn(ids)
		for _, pid := range pids {
			err = errors.Join(err, syscall.Kill(pid, syscall.SIGKILL))
		}
		if err == nil && len(pids) > 0 {
			err = errors.New("containers are still ending")
		}
		return err
	})
}

// pidsIn lists the processes whose control group is that of one of the containers.
func pidsIn(ids map[string]bool) ([]int, error) {
	files, err := filepath.Glob("/proc/[0-9]*/cgroup")
	if err != nil || len(ids) == 0 {
		return nil, err
	}
	var pids []int
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			continue // it ended
		}
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if pid > 0 && alive(pid) && inContainer(string(data), ids) {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

// inContainer reads /proc/PID/cgroup: lines of ID:CONTROLLERS:PATH, where a container's path ends with its id.
func inContainer(cgroups string, ids map[string]bool) bool {
	for line := range strings.Lines(cgroups) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(fields) == 3 && ids[filepath.Base(fields[2])] {
			return true
		}
	}
	return false
}

func (c *cluster) removeState(context.Context) (string, error) {
	// The engine mounts its folder onto itself.
	if err := unmountAll(c.path("docker")); err != nil {
		return "", err
	}
	for _, dir := range []string{runDir, c.path("kubelet"), c.path("pod-logs"), c.path("etcd"), c.path("etcd.broken"), c.path("kubeconfig")} {
		if err := removeTree(dir); err != nil {
			return "", err
		}
	}
	return "removed", nil
}
