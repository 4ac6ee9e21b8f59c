package docker

import (
	"strings"

	"github.com/skiff-dev/skiff/internal/image"
)

// shortest is the length from which on a secret is looked for in what a build prints: shorter ones stand in too many words.
const shortest = 4

// hiding passes lines on without the values of the artifact's secrets, which a step may print.
func (b *Builder) hiding(r image.Request, out func(line string)) func(line string) {
	secrets, err := b.secrets(r.Artifact.Docker.Secrets)
	if err != nil || len(secrets) == 0 {
		return out
	}
	var pairs []string
	for _, id := range sorted(secrets) {
		for line := range strings.Lines(string(secrets[id])) {
			if line = strings.TrimSpace(line); len(line) >= shortest {
				pairs = append(pairs, line, "***")
			}
		}
	}
	hide := strings.NewReplacer(pairs...)
	return func(line string) { out(hide.Replace(line)) }
}
