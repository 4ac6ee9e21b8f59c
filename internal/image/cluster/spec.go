package cluster

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/skiff-dev/skiff/internal/config"
)

const (
	container = "buildkit"
	socket    = "unix:///tmp/skiff-buildkitd.sock"
)

// patience is how long one build may take.
func patience(c *config.ClusterBuild) (time.Duration, error) {
	if c.Timeout == "" {
		return 20 * time.Minute, nil
	}
	return time.ParseDuration(c.Timeout)
}

// spec is the pod of one build. It ends by itself some time after the build must have ended: should skiff be killed, nothing stays.
func spec(c *config.ClusterBuild, k *config.KanikoArtifact) (*corev1.Pod, error) {
	limit, err := patience(c)
	if err != nil {
		return nil, fmt.Errorf("build.cluster.timeout: %w", err)
	}
	resources, err := requirements(c.Resources)
	if err != nil {
		return nil, err
	}
	img := builderImage(k)
	p := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			GenerateName: "skiff-build-", Namespace: c.Namespace, Annotations: c.Annotations,
			Labels: map[string]string{"app.kubernetes.io/managed-by": "skiff", "skiff.dev/build": "true"},
		},
		Spec: corev1.PodSpec{
			RestartPolicy: corev1.RestartPolicyNever, ServiceAccountName: c.ServiceAccount, NodeSelector: c.NodeSelector,
			ActiveDeadlineSeconds:         new(int64((limit + time.Minute).Seconds())),
			TerminationGracePeriodSeconds: new(int64(1)),
			Containers: []corev1.Container{{
				Name: container, Image: img, Resources: resources, SecurityContext: security(c, img),
				Command: []string{"sh", "-c", script(img)},
				Env:     append(environment(c, k), corev1.EnvVar{Name: "BUILDKIT_HOST", Value: socket}, corev1.EnvVar{Name: "SKIFF_BUILDKITD", Value: settings(k)}),
				ReadinessProbe: &corev1.Probe{
					ProbeHandler:  corev1.ProbeHandler{Exec: &corev1.ExecAction{Command: []string{"buildctl", "debug", "workers"}}},
					PeriodSeconds: 1, TimeoutSeconds: 5, FailureThreshold: 1000,
				},
			}},
		},
	}
	for key, value := range c.Labels {
		p.Labels[key] = value
	}
	if k.ImagePullSecret != "" {
		p.Spec.ImagePullSecrets = []corev1.LocalObjectReference{{Name: k.ImagePullSecret}}
	}
	for _, part := range []struct {
		from any
		to   any
		what string
	}{
		{c.Tolerations, &p.Spec.Tolerations, "build.cluster.tolerations"}, {c.Volumes, &p.Spec.Volumes, "build.cluster.volumes"},
		{k.VolumeMounts, &p.Spec.Containers[0].VolumeMounts, "kaniko.volumeMounts"},
	} {
		data, err := json.Marshal(part.from)
		if err == nil {
			err = json.Unmarshal(data, part.to)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", part.what, err)
		}
	}
	return p, nil
}

func isRootless(img string) bool { return strings.Contains(img, "rootless") }

// script writes the daemon's settings and starts it as its image does.
func script(img string) string {
	start := "buildkitd"
	if isRootless(img) {
		start = "rootlesskit buildkitd --oci-worker-no-process-sandbox"
	}
	return `printf '%s' "$SKIFF_BUILDKITD" > /tmp/skiff-buildkitd.toml && exec ` + start + " --config /tmp/skiff-buildkitd.toml --addr " + socket
}

// security is what BuildKit needs to run steps: user namespaces of its own, or the node's privileges.
func security(c *config.ClusterBuild, img string) *corev1.SecurityContext {
	if !isRootless(img) {
		return &corev1.SecurityContext{Privileged: new(true), RunAsUser: asInt64(c.RunAsUser)}
	}
	s := &corev1.SecurityContext{
		SeccompProfile:  &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeUnconfined},
		AppArmorProfile: &corev1.AppArmorProfile{Type: corev1.AppArmorProfileTypeUnconfined},
		RunAsUser:       asInt64(c.RunAsUser),
	}
	if s.RunAsUser == nil {
		s.RunAsUser = new(int64(1000))
	}
	return s
}

func asInt64(n *int) *int64 {
	if n == nil {
		return nil
	}
	return new(int64(*n))
}

// environment is the variables of the pod: proxies and what the artifact adds.
func environment(c *config.ClusterBuild, k *config.KanikoArtifact) []corev1.EnvVar {
	var env []corev1.EnvVar
	for _, v := range []corev1.EnvVar{{Name: "HTTP_PROXY", Value: c.HTTPProxy}, {Name: "HTTPS_PROXY", Value: c.HTTPSProxy}} {
		if v.Value != "" {
			env = append(env, v)
		}
	}
	for _, e := range k.Env {
		if name, _ := e["name"].(string); name != "" {
			env = append(env, corev1.EnvVar{Name: name, Value: fmt.Sprint(e["value"])})
		}
	}
	return env
}

// settings is the daemon's configuration: registries without TLS, or without a certificate that can be checked, and mirrors.
func settings(k *config.KanikoArtifact) string {
	var b strings.Builder
	hosts := slices.Compact(slices.Sorted(slices.Values(slices.Concat(k.InsecureRegistry, k.SkipTLSVerifyRegistry))))
	for _, host := range hosts {
		fmt.Fprintf(&b, "[registry.%q]\n", host)
		if slices.Contains(k.InsecureRegistry, host) {
			b.WriteString("http = true\n")
		} else {
			b.WriteString("insecure = true\n")
		}
	}
	if k.RegistryMirror != "" {
		fmt.Fprintf(&b, "[registry.\"docker.io\"]\nmirrors = [%q]\n", k.RegistryMirror)
	}
	return b.String()
}

func requirements(r *config.Resources) (corev1.ResourceRequirements, error) {
	var all corev1.ResourceRequirements
	if r == nil {
		return all, nil
	}
	var err error
	if all.Requests, err = amounts(r.Requests); err != nil {
		return all, fmt.Errorf("build.cluster.resources.requests: %w", err)
	}
	if all.Limits, err = amounts(r.Limits); err != nil {
		return all, fmt.Errorf("build.cluster.resources.limits: %w", err)
	}
	return all, nil
}

func amounts(a *config.ResourceAmounts) (corev1.ResourceList, error) {
	if a == nil {
		return nil, nil
	}
	list := corev1.ResourceList{}
	for name, text := range map[corev1.ResourceName]string{
		corev1.ResourceCPU: a.CPU, corev1.ResourceMemory: a.Memory, corev1.ResourceEphemeralStorage: a.EphemeralStorage, corev1.ResourceStorage: a.ResourceStorage,
	} {
		if text == "" {
			continue
		}
		q, err := resource.ParseQuantity(text)
		if err != nil {
			return nil, fmt.Errorf("%s %q: %w", name, text, err)
		}
		list[name] = q
	}
	return list, nil
}
