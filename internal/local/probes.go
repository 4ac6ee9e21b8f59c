package local

import (
	"net"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// probes takes the probes of a container over, with the ports and paths of this machine.
func (p *planner) probes(d *draft, c *container) {
	if c.process.Ready == nil {
		c.process.Ready = p.probe(d, c, c.ReadinessProbe)
	}
	c.process.Live = p.probe(d, c, c.LivenessProbe)
	c.process.Startup = p.probe(d, c, c.StartupProbe)
}

func (p *planner) probe(d *draft, c *container, from *corev1.Probe) *Probe {
	if from == nil {
		return nil
	}
	probe := &Probe{
		Delay: seconds(from.InitialDelaySeconds, 0), Period: seconds(from.PeriodSeconds, 10), Timeout: seconds(from.TimeoutSeconds, 1),
		Success: atLeast(from.SuccessThreshold, 1), Failure: atLeast(from.FailureThreshold, 3),
	}
	switch {
	case from.HTTPGet != nil:
		h := from.HTTPGet
		probe.Kind = "http"
		host := orText(h.Host, loopback)
		probe.URL = strings.ToLower(orText(string(h.Scheme), "http")) + "://" + net.JoinHostPort(host, strconv.Itoa(c.port(h.Port))) + "/" + strings.TrimPrefix(h.Path, "/")
		for _, header := range h.HTTPHeaders {
			if strings.EqualFold(header.Name, "Host") {
				probe.Host = header.Value
				continue
			}
			probe.Headers = append(probe.Headers, Header{header.Name, header.Value})
		}
	case from.TCPSocket != nil:
		probe.Kind = "tcp"
		probe.Address = address(orText(from.TCPSocket.Host, loopback), c.port(from.TCPSocket.Port))
	case from.GRPC != nil:
		probe.Kind = "grpc"
		probe.Address = address(loopback, c.local("", int(from.GRPC.Port)))
		if from.GRPC.Service != nil {
			probe.Service = *from.GRPC.Service
		}
	case from.Exec != nil && len(from.Exec.Command) > 0:
		probe.Kind = "exec"
		env := vars(c.process.Env)
		for _, arg := range from.Exec.Command {
			probe.Args = append(probe.Args, p.rewrite(c.renumberArg(references(arg, env))))
		}
		probe.Args = c.layout.Args(probe.Args)
		probe.Args[0] = p.program(c, probe.Args[0])
		if _, err := p.Host.Look(probe.Args[0], c.layout.Dir, c.process.Env); err != nil {
			p.find(Gap, d, c, "probe", "", "the probe %q is left out: the program is not on this machine", probe.Args[0])
			return nil
		}
	default:
		p.find(Gap, d, c, "probe", "", "a probe of an unknown kind is left out")
		return nil
	}
	return probe
}

func (c *container) port(v intstr.IntOrString) int {
	if v.Type == intstr.String {
		return c.local(v.StrVal, 0)
	}
	return c.local("", int(v.IntVal))
}

func seconds(n, fallback int32) time.Duration {
	if n == 0 {
		n = fallback
	}
	return time.Duration(n) * time.Second
}

// atLeast is n, or the fallback where nothing is said.
func atLeast(n, fallback int32) int {
	if n == 0 {
		n = fallback
	}
	return int(n)
}
