package cli

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/skiff-dev/skiff/internal/kube"
)

func newImages(w World) *cobra.Command {
	o := &options{}
	cmd := &cobra.Command{
		Use:   "images",
		Short: "List the container images that run in the cluster",
		Long:  "Lists the images of all containers, init and ephemeral ones too, in a namespace or with -A in all of them, each once.",
	}
	addFlags(cmd, o)
	cmd.Flags().BoolVarP(&o.allNamespaces, "all-namespaces", "A", false, "look in all namespaces")
	cmd.Flags().StringVarP(&o.output, "output", "o", "text", "text or json")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if _, err := fromEnv(cmd, w); err != nil {
			return err
		}
		if o.output != "text" && o.output != "json" {
			return usage("choose text or json", fmt.Errorf("--output=%s", o.output))
		}
		cluster, err := kube.Connect(kube.Options{Kubeconfig: o.kubeconfig, Context: o.kubeContext, Namespace: o.namespace, Getenv: w.env, Dir: w.Dir})
		if err != nil {
			return err
		}
		namespace := cluster.Namespace
		if o.allNamespaces {
			namespace = ""
		}
		images, err := kube.ListImages(cmd.Context(), cluster.Typed.CoreV1(), namespace)
		if err != nil {
			return cluster.Explain(err)
		}
		return printImages(w, o.output, images)
	}
	return cmd
}

func printImages(w World, format string, images []string) error {
	if format == "json" {
		if images == nil {
			images = []string{}
		}
		return json.NewEncoder(w.Out).Encode(map[string][]string{"images": images})
	}
	for _, image := range images {
		if _, err := fmt.Fprintln(w.Out, image); err != nil {
			return err
		}
	}
	return nil
}
