// Command kube holds every program of a one-node Kubernetes: etcd, the control plane, the node's two programs and DNS. Its
// first argument names the part, the rest are that part's own flags.
package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/coredns/coredns/coremain"
	_ "github.com/coredns/coredns/plugin/bind"
	_ "github.com/coredns/coredns/plugin/cache"
	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/coredns/coredns/plugin/forward"
	_ "github.com/coredns/coredns/plugin/kubernetes"
	_ "github.com/coredns/coredns/plugin/ready"
	"github.com/spf13/cobra"
	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllers "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	proxy "k8s.io/kubernetes/cmd/kube-proxy/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"
)

func main() {
	// Each part parses os.Args by itself, so the part's name takes the program's place.
	os.Args = os.Args[1:]
	name := ""
	if len(os.Args) > 0 {
		name = os.Args[0]
	}
	parts := parts(context.Background())
	run, ok := parts[name]
	if !ok {
		fmt.Fprintf(os.Stderr, "usage: kube PART [flags]\nparts: %s\n", strings.Join(slices.Sorted(maps.Keys(parts)), ", "))
		os.Exit(2)
	}
	os.Exit(run())
}

// parts has one entry per program; a command is only built when its part is asked for, because that parses flags and
// registers metrics.
func parts(ctx context.Context) map[string]func() int {
	command := func(make func() *cobra.Command) func() int {
		return func() int { return cli.Run(make()) }
	}
	return map[string]func() int{
		"etcd":                    func() int { etcdmain.Main(os.Args); return 0 },
		"coredns":                 func() int { coremain.Run(); return 0 },
		"kube-apiserver":          command(apiserver.NewAPIServerCommand),
		"kube-controller-manager": command(controllers.NewControllerManagerCommand),
		"kube-scheduler":          command(func() *cobra.Command { return scheduler.NewSchedulerCommand() }),
		"kube-proxy":              command(proxy.NewProxyCommand),
		"kubelet":                 command(func() *cobra.Command { return kubelet.NewKubeletCommand(ctx) }),
		"sandboxes":               func() int { return sandboxes(ctx, os.Args[1:]) },
	}
}
