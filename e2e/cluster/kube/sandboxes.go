package main

import (
	"context"
	"fmt"
	"os"
	"time"

	criapi "k8s.io/cri-api/pkg/apis"
	cri "k8s.io/cri-client/pkg"
)

// sandboxes stops and removes every pod sandbox of the container runtime whose socket is given, with all containers in it.
// The runtime takes down each pod's network, mounts and shim by itself then, so nothing of a pod outlives the cluster.
func sandboxes(ctx context.Context, args []string) int {
	if len(args) != 1 {
		fmt.Fprintln(os.Stderr, "usage: kube sandboxes unix:///path/to/containerd.sock")
		return 2
	}
	runtime, err := cri.NewRemoteRuntimeService(ctx, args[0], 20*time.Second, nil, false)
	if err == nil {
		err = removeAll(ctx, runtime)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "kube sandboxes:", err)
		return 1
	}
	return 0
}

// removeAll goes on after a sandbox that resists and returns the first error.
func removeAll(ctx context.Context, runtime criapi.RuntimeService) error {
	all, err := runtime.ListPodSandbox(ctx, nil)
	if err != nil {
		return fmt.Errorf("list: %w", err)
	}
	var first error
	for _, sandbox := range all {
		err := runtime.StopPodSandbox(ctx, sandbox.Id)
		if err == nil {
			err = runtime.RemovePodSandbox(ctx, sandbox.Id)
		}
		if err != nil && first == nil {
			first = fmt.Errorf("remove %s: %w", sandbox.Id, err)
		}
	}
	return first
}
