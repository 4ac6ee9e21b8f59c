package docker

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"

	"github.com/skiff-dev/skiff/internal/config"
	"github.com/skiff-dev/skiff/internal/diag"
	"github.com/skiff-dev/skiff/internal/engine"
	"github.com/skiff-dev/skiff/internal/kube"
)

// compose is the services of the Compose project in the working folder. A service whose image is an artifact of the project runs what
// was built; any other runs its image as it stands.
func compose(ctx context.Context, p *config.Project, c *config.Config, o Options) ([]Service, error) {
	at := c.Position("deploy", "docker", "useCompose")
	fault := func(hint string, err error) error {
		return &diag.Error{Pos: at, What: fmt.Sprintf("the Compose project: %v", err), Hint: hint, Code: diag.CodeConfig}
	}
	options, err := cli.NewProjectOptions(nil, cli.WithWorkingDirectory(c.Dir), cli.WithEnv(o.Environ), cli.WithDotEnv, cli.WithConfigFileEnv, cli.WithDefaultConfigPath)
	if err != nil {
		return nil, fault("put a compose.yaml beside the project file, or leave useCompose out", err)
	}
	project, err := options.LoadProject(ctx)
	if err != nil {
		return nil, fault("mend the file", err)
	}
	var services []Service
	for _, name := range slices.Sorted(maps.Keys(project.Services)) {
		s, err := service(p, c, project, project.Services[name])
		if err != nil {
			return nil, fault("remove it, or start the project with docker compose", err)
		}
		s.pos = at
		services = append(services, s)
	}
	return services, nil
}

func service(p *config.Project, c *config.Config, project *types.Project, s types.ServiceConfig) (Service, error) {
	if err := unsupported(s); err != nil {
		return Service{}, err
	}
	out := Service{
		Name: s.Name, Image: s.Image, Entrypoint: s.Entrypoint, Args: s.Command, WorkDir: s.WorkingDir, User: s.User, Hostname: s.Hostname,
		ExtraHosts: s.ExtraHosts.AsList(":"), Restart: s.Restart, Needs: map[string]Need{}, Container: s.ContainerName, Health: health(s.HealthCheck),
	}
	for name, d := range s.DependsOn {
		out.Needs[name] = Need(d.Condition)
	}
	for _, a := range p.Artifacts() {
		if kube.Repository(s.Image) == a.Image || slices.Contains(c.Deploy.Docker.Images, a.Image) && serviceName(a.Image) == s.Name {
			out.Artifact, out.Image = a.Image, ""
		}
	}
	if out.Artifact == "" && (s.Build != nil || s.Image == "") {
		return Service{}, fmt.Errorf("service %q builds an image that is no artifact: name its image as the artifact", s.Name)
	}
	for _, name := range slices.Sorted(maps.Keys(s.Environment)) {
		if value := s.Environment[name]; value != nil {
			out.Env = append(out.Env, name+"="+*value)
		}
	}
	for _, port := range s.Ports {
		host, err := strconv.Atoi(port.Published)
		if port.Published != "" && err != nil {
			return Service{}, fmt.Errorf("service %q: a range of ports (%s) is not supported", s.Name, port.Published)
		}
		address := port.HostIP
		if address == "" {
			address = "127.0.0.1"
		}
		out.Ports = append(out.Ports, engine.Port{Container: int(port.Target), Protocol: port.Protocol, Address: address, Host: host})
	}
	for _, v := range s.Volumes {
		b := engine.Bind{Source: v.Source, Target: v.Target, ReadOnly: v.ReadOnly}
		switch v.Type {
		case types.VolumeTypeVolume:
			b.Volume = true
			if known, ok := project.Volumes[v.Source]; ok {
				b.Source = known.Name
			}
		case types.VolumeTypeBind:
		default:
			return Service{}, fmt.Errorf("service %q: a volume of type %s is not supported", s.Name, v.Type)
		}
		out.Binds = append(out.Binds, b)
	}
	return out, nil
}

func health(h *types.HealthCheckConfig) *engine.Health {
	if h == nil {
		return nil
	}
	if h.Disable {
		return &engine.Health{Test: []string{"NONE"}}
	}
	out := &engine.Health{Test: h.Test}
	for to, from := range map[*time.Duration]*types.Duration{&out.Interval: h.Interval, &out.Timeout: h.Timeout, &out.StartPeriod: h.StartPeriod} {
		if from != nil {
			*to = time.Duration(*from)
		}
	}
	if h.Retries != nil {
		out.Retries = int(*h.Retries)
	}
	return out
}

// unsupported names what a service asks for and would not get: running it without would be another project.
func unsupported(s types.ServiceConfig) error {
	for name, n := range s.Networks {
		if name != "default" || n != nil {
			return fmt.Errorf("service %q: networks of its own are not supported, all services share one", s.Name)
		}
	}
	rest := s
	rest.Profiles, rest.Restart, rest.Scale, rest.ContainerName = nil, "", nil, ""
	rest.ContainerSpec.Image, rest.Entrypoint, rest.Command, rest.Environment, rest.EnvFiles = "", nil, nil, nil, nil
	rest.WorkingDir, rest.User, rest.Hostname, rest.ExtraHosts, rest.Volumes, rest.Networks = "", "", "", nil, nil, nil
	rest.Labels, rest.PullPolicy, rest.CustomLabels, rest.Init = nil, "", nil, nil
	rest.HealthCheck, rest.Build, rest.DependsOn, rest.Expose, rest.Ports, rest.StdinOpen, rest.Tty, rest.Develop = nil, nil, nil, nil, nil, false, false, nil
	if s.GetScale() != 1 {
		return fmt.Errorf("service %q: a scale of %d is not supported", s.Name, s.GetScale())
	}
	rest.Deploy = nil
	keys := leftKeys(rest)
	if len(keys) > 0 {
		return fmt.Errorf("service %q: not supported here: %s", s.Name, strings.Join(keys, ", "))
	}
	return nil
}

// leftKeys are the keys of a service that still have a value.
func leftKeys(s types.ServiceConfig) []string {
	data, err := json.Marshal(s)
	if err != nil {
		return []string{err.Error()}
	}
	fields := map[string]any{}
	if err := json.Unmarshal(data, &fields); err != nil {
		return []string{err.Error()}
	}
	var keys []string
	for key, value := range fields {
		if value != nil && !strings.HasPrefix(key, "x-") {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}
