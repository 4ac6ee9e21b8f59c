package local

import (
	"maps"
	"slices"

	"github.com/skiff-dev/skiff/internal/kube"
)

// unknown finds what skiff.yaml says about something that is not there: a name that was mistyped, or one of another profile.
func (p *planner) unknown() {
	there := map[string]bool{}
	for name := range p.Images {
		there[name] = true
	}
	for _, o := range p.Objects {
		if pod := kube.PodSpec(o); pod == nil && o.GetKind() != "Service" {
			continue
		}
		there[o.GetName()] = true
		for _, c := range kube.Containers(o) {
			there[c.Name], there[imageName(c.Image)] = true, true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(p.Settings.Services)) {
		if !there[name] {
			// External servers are not looked at: one that the profile of today does not use may well be described.
			p.plan.Findings = append(p.plan.Findings, Finding{
				Level: Gap, Where: "skiff.yaml", Topic: "settings", Pos: p.Settings.Places["services."+name],
				Text: "services." + name + " names no container, workload or image of the project as it is now",
			})
		}
	}
}
