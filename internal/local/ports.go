package local

import (
	"fmt"
	"hash/fnv"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/skiff-dev/skiff/internal/kube"
)

// loopback is the address of this machine.
const loopback = "127.0.0.1"

// reach is one port of a Service, and where it is here.
type reach struct {
	route       *Route
	port, local int
	host        string
	proxied     bool // the port itself answers at the route's address
}

// assignPorts gives every port of a draft a number here: its own, unless somebody else has it and the program takes another.
func (p *planner) assignPorts(d *draft) {
	for _, c := range d.containers {
		for i, cp := range c.Ports {
			if cp.Protocol != "" && cp.Protocol != corev1.ProtocolTCP {
				p.find(Differs, d, c, "port", "", "port %d is %s: it is not moved when it is taken, and Services lead to it at its own number only", cp.ContainerPort, cp.Protocol)
				continue
			}
			number := int(cp.ContainerPort)
			local := number
			if i == 0 && c.own.Port != 0 {
				local = c.own.Port
			}
			holder, taken := p.ports[local]
			if !taken && !p.Host.Free(local) {
				holder, taken = "another program", true
			}
			if taken {
				if local = p.another(c, number); local == 0 {
					p.find(Broken, d, c, "port", fmt.Sprintf("let the program take its port from PORT, or say in skiff.yaml: local: {services: {%s: {port: …}}}", c.Name),
						"port %d is taken by %s, and the program does not take its port from PORT or an argument", number, holder)
					continue
				}
				p.find(Differs, d, c, "port", "", "port %d is taken by %s; it is %d here", number, holder, local)
			}
			if local != number {
				c.moved[number] = local
			}
			p.ports[local] = c.where
			c.process.Ports = append(c.process.Ports, Port{Name: cp.Name, Number: number, Local: local})
		}
	}
}

// another is a free port for a program that takes it from its environment or an argument, 0 where it does not.
func (p *planner) another(c *container, number int) int {
	if !c.flexible(number) {
		return 0
	}
	for local := number + 1; local <= 65535; local++ {
		if _, taken := p.ports[local]; !taken && p.Host.Free(local) {
			return local
		}
	}
	return 0
}

// flexible says whether the program is told its port.
func (c *container) flexible(number int) bool {
	if c.own.Port != 0 {
		return true
	}
	told := vars(c.image.Env)
	for _, v := range c.Env {
		told[v.Name] = v.Value
	}
	for name, value := range told {
		if isPortVariable(name) && holdsPort(value, number) {
			return true
		}
	}
	return slices.ContainsFunc(c.argv(), func(arg string) bool { return holdsPort(arg, number) })
}

func isPortVariable(name string) bool {
	return strings.HasSuffix(name, "PORT") || strings.HasSuffix(name, "ADDR") || strings.HasSuffix(name, "ADDRESS") || strings.HasSuffix(name, "LISTEN")
}

// holdsPort says whether a text names a port: by itself, after "=" or after ":".
func holdsPort(text string, number int) bool { return putPort(text, number, -1) != text }

// putPort replaces a port in a text.
func putPort(text string, number, local int) string {
	old := strconv.Itoa(number)
	rest, ok := strings.CutSuffix(text, old)
	if !ok || rest != "" && !strings.ContainsAny(rest[len(rest)-1:], "=: p") || strings.HasSuffix(rest, "p") && rest != "-p" {
		return text
	}
	return rest + strconv.Itoa(local)
}

// renumber puts ports that are elsewhere here into a variable by which the program is told its port.
func (c *container) renumber(name, value string) string {
	if isPortVariable(name) {
		return c.renumberArg(value)
	}
	return value
}

func (c *container) renumberArg(text string) string {
	for number, local := range c.moved {
		if changed := putPort(text, number, local); changed != text {
			return changed
		}
	}
	return text
}

// local is where a port of the container is here; a port may be given by its name.
func (c *container) local(name string, number int) int {
	for _, port := range c.process.Ports {
		if name != "" && port.Name == name || name == "" && port.Number == number {
			return port.Local
		}
	}
	if name != "" {
		number, _ = strconv.Atoi(name)
	}
	return number
}

// routes finds out how each Service is reached.
func (p *planner) routes() {
	next := 1
	for _, o := range p.Objects {
		if o.GetKind() != "Service" {
			continue
		}
		var s corev1.Service
		if runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, &s) != nil {
			continue
		}
		if s.Spec.Type == corev1.ServiceTypeExternalName {
			p.plan.Findings = append(p.plan.Findings, Finding{
				Level: Differs, Where: o.ID().String(), Topic: "network", Pos: o.Pos(),
				Text: "the name does not lead to " + s.Spec.ExternalName + " here", Hint: "give the address in skiff.yaml: local: {services: {NAME: {env: …}}}",
			})
			continue
		}
		targets := p.targets(o, s)
		if len(targets) == 0 {
			continue
		}
		route := Route{Service: o.GetName(), Names: namesOf(o), Address: loopback}
		if p.canProxy(targets) {
			route.Address = ownAddress(p.State, next)
			next++
			for i, t := range targets {
				targets[i].proxied = true
				route.Proxies = append(route.Proxies, Proxy{Listen: address(route.Address, t.port), To: address(t.host, t.local)})
			}
		}
		for _, t := range targets {
			t.route = &route
			p.reach = append(p.reach, t)
		}
		p.plan.Routes = append(p.plan.Routes, route)
	}
}

// ownAddress is the nth address of a project. Projects that run side by side have different ones, and each keeps its own.
func ownAddress(state string, n int) string {
	sum := fnv.New32a()
	_, _ = sum.Write([]byte(state))
	h := sum.Sum32()
	return fmt.Sprintf("127.%d.%d.%d", 64+h%128, (h>>8)%256, n%254+1)
}

func address(host string, port int) string { return net.JoinHostPort(host, strconv.Itoa(port)) }

func namesOf(o *kube.Object) []string {
	name, ns := o.GetName(), namespaceOf(o)
	return []string{name, name + "." + ns, name + "." + ns + ".svc", name + "." + ns + ".svc.cluster.local"}
}

// targets is where the ports of a Service lead to.
func (p *planner) targets(o *kube.Object, s corev1.Service) []reach {
	var all []reach
	for _, port := range s.Spec.Ports {
		if to, ok := p.externalAddress(o, int(port.Port)); ok {
			all = append(all, to)
			continue
		}
		for _, d := range p.drafts {
			if d.unit.Namespace != namespaceOf(o) || len(s.Spec.Selector) == 0 || !selects(s.Spec.Selector, d.labels) {
				continue
			}
			number := int(port.Port)
			if n := port.TargetPort.IntValue(); n != 0 {
				number = n
			}
			name := ""
			if port.TargetPort.IntValue() == 0 {
				name = port.TargetPort.StrVal
			}
			if local := d.local(name, number); local != 0 {
				all = append(all, reach{port: int(port.Port), local: local, host: loopback})
				break
			}
		}
	}
	return all
}

// local is where a port of the draft is here.
func (d *draft) local(name string, number int) int {
	for _, c := range d.containers {
		for _, port := range c.process.Ports {
			if name != "" && port.Name == name || name == "" && port.Number == number {
				return port.Local
			}
		}
	}
	if name != "" {
		return 0
	}
	return number
}

func selects(selector, labels map[string]string) bool {
	for k, v := range selector {
		if labels[k] != v {
			return false
		}
	}
	return true
}

// canProxy says whether a Service gets an address of its own, where its ports are its own: when that is needed, possible, and in
// nobody's way. A process that listens on all addresses would be.
func (p *planner) canProxy(targets []reach) bool {
	if !p.Host.Hosts || !p.Host.Loopbacks {
		return false
	}
	needed := false
	for _, t := range targets {
		needed = needed || t.port != t.local || t.host != loopback
		if _, taken := p.ports[t.port]; taken || t.port < 1024 && !p.Host.LowPorts {
			return false
		}
	}
	return needed
}

// links is the variables by which a pod knows the Services of its namespace.
func (p *planner) links() map[string]string {
	env := map[string]string{}
	for _, r := range p.reach {
		name := strings.ToUpper(strings.ReplaceAll(r.route.Service, "-", "_")) + "_SERVICE"
		if _, first := env[name+"_HOST"]; !first {
			host, port := r.at()
			env[name+"_HOST"], env[name+"_PORT"] = host, strconv.Itoa(port)
		}
	}
	return env
}

// at is where a port of a Service answers.
func (r reach) at() (host string, port int) {
	if r.proxied {
		return r.route.Address, r.port
	}
	return r.host, r.local
}

// rewrite puts addresses that answer in the place of Services that do not answer under their own name and port.
func (p *planner) rewrite(text string) string {
	for _, r := range p.reach {
		named := p.Host.Hosts && (r.proxied || r.host == loopback) // the name itself leads to this machine
		if named && (r.proxied || r.port == r.local) {
			continue
		}
		for _, name := range slices.Backward(r.route.Names) {
			host := name
			if !named {
				host, _ = r.at()
			}
			_, port := r.at()
			text = rewriteHost(text, name, r.port, host, port)
		}
	}
	return text
}

// rewriteHost replaces a host name with its port, or alone where the port is clear.
func rewriteHost(text, name string, port int, host string, local int) string {
	if text == name {
		return host
	}
	var out strings.Builder
	for rest := text; ; {
		i := strings.Index(rest, name)
		if i < 0 {
			return out.String() + rest
		}
		before, after := rest[:i], rest[i+len(name):]
		whole := out.String() + before
		out.WriteString(before)
		number, tail := leadingPort(after)
		switch {
		case !startsHost(whole) || !endsHost(tail):
			out.WriteString(name)
			tail = after
		case number == port, number == 0 && defaultPort(whole) == port:
			out.WriteString(host + ":" + strconv.Itoa(local))
		default:
			out.WriteString(name)
			tail = after
		}
		rest = tail
	}
}

func leadingPort(s string) (int, string) {
	if !strings.HasPrefix(s, ":") {
		return 0, s
	}
	end := 1
	for end < len(s) && s[end] >= '0' && s[end] <= '9' {
		end++
	}
	n, err := strconv.Atoi(s[1:end])
	if err != nil {
		return 0, s
	}
	return n, s[end:]
}

func startsHost(before string) bool {
	return before == "" || strings.HasSuffix(before, "//") || strings.ContainsAny(before[len(before)-1:], "@=, ;\"'\n\t(")
}

func endsHost(after string) bool {
	return after == "" || strings.ContainsAny(after[:1], "/?#, ;\"'\n\t)")
}

func defaultPort(before string) int {
	switch {
	case strings.HasSuffix(before, "http://"), strings.HasSuffix(before, "ws://"):
		return 80
	case strings.HasSuffix(before, "https://"), strings.HasSuffix(before, "wss://"):
		return 443
	}
	return 0
}

// HostsFile is what /etc/hosts says to the processes of a plan: the machine's own, the names of their pod, and the Services.
func (p Plan) HostsFile(own string, aliases ...string) string {
	var out strings.Builder
	out.WriteString(strings.TrimRight(own, "\n") + "\n")
	for _, line := range aliases {
		out.WriteString(line + "\n")
	}
	for _, r := range p.Routes {
		fmt.Fprintf(&out, "%s %s\n", r.Address, strings.Join(r.Names, " "))
	}
	return out.String()
}

// Listening is every port of the plan, with what listens there.
func (p Plan) Listening() map[int]string {
	all := map[int]string{}
	for _, u := range p.Units {
		for _, proc := range u.Processes {
			for _, port := range proc.Ports {
				all[port.Local] = u.Object + ", container " + proc.Container
			}
		}
	}
	return maps.Clone(all)
}
