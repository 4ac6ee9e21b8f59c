package buildpacks

import (
	"bytes"
	"context"
	"encoding/json"
	"path"
	"strings"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/skiff-dev/skiff/internal/config"
	"github.com/skiff-dev/skiff/internal/image"
)

// metadataLabel is where the lifecycle writes what the buildpacks told it.
const metadataLabel = "io.buildpacks.build.metadata"

// rule says where files go that a buildpack takes over without a build.
type rule struct {
	Src  string `json:"src"`
	Dest string `json:"dest"`
}

// readSync learns from an image which files can be copied into its containers. An image that says nothing is built anew for every change.
func (b *Builder) readSync(ctx context.Context, r image.Request) {
	if !automatic(r.Artifact) {
		return
	}
	var rules []rule
	if found, err := b.inspect(ctx, r.Ref); err == nil {
		rules = rulesOf(found.Labels[metadataLabel])
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.synced[r.Artifact.Image] = rules
}

// rulesOf reads the rules in a label.
func rulesOf(label string) []rule {
	var metadata struct {
		BOM []struct {
			Metadata map[string]json.RawMessage `json:"metadata"`
		} `json:"bom"`
	}
	if json.Unmarshal([]byte(label), &metadata) != nil {
		return nil
	}
	var all []rule
	for _, entry := range metadata.BOM {
		var rules []rule
		if json.Unmarshal(entry.Metadata["devmode.sync"], &rules) == nil {
			all = append(all, rules...)
		}
	}
	return all
}

// Destinations says where the buildpacks want changed files.
func (b *Builder) Destinations(a *config.Artifact, workDir string) (func(rel string) []string, error) {
	b.mu.Lock()
	rules := b.synced[a.Image]
	b.mu.Unlock()
	if len(rules) == 0 {
		return nil, nil
	}
	return func(rel string) []string {
		var to []string
		for _, r := range rules {
			if ok, err := doublestar.Match(strings.TrimPrefix(r.Src, "./"), rel); err != nil || !ok {
				continue
			}
			dest := r.Dest
			if !path.IsAbs(dest) {
				dest = path.Join("/", workDir, dest)
			}
			to = append(to, path.Join(dest, rel))
		}
		return to
	}, nil
}

// lineWriter hands on what is written line by line.
type lineWriter struct {
	out  func(line string)
	rest []byte
}

// Write takes a piece of output.
func (w *lineWriter) Write(p []byte) (int, error) {
	w.rest = append(w.rest, p...)
	for {
		i := bytes.IndexByte(w.rest, '\n')
		if i < 0 {
			return len(p), nil
		}
		w.out(strings.TrimRight(string(w.rest[:i]), "\r"))
		w.rest = w.rest[i+1:]
	}
}

// flush hands on a last line without an end.
func (w *lineWriter) flush() {
	if len(w.rest) > 0 {
		w.out(string(w.rest))
		w.rest = nil
	}
}
