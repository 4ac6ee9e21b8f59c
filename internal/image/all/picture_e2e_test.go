//go:build e2e

package all

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"path"
	"sort"
	"strings"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// picture is all that an image is: every file of its file system, and its configuration, as lines of text.
type picture struct {
	files   map[string]string
	config  string
	history []string
}

// look reads an image of the registry whole, by its layers.
func look(ctx context.Context, ref string) (*picture, error) {
	parsed, err := name.ParseReference(ref)
	if err != nil {
		return nil, err
	}
	img, err := remote.Image(parsed, remote.WithContext(ctx))
	if err != nil {
		return nil, err
	}
	p := &picture{files: map[string]string{}}
	layers, err := img.Layers()
	if err != nil {
		return nil, err
	}
	for _, l := range layers {
		if err := p.add(l); err != nil {
			return nil, err
		}
	}
	conf, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	filled := 0
	for _, h := range conf.History {
		if h.Comment == "buildkit.exporter.image.v0" {
			continue // what the engine makes up for a base without a history
		}
		if !h.EmptyLayer {
			filled++
		}
		p.history = append(p.history, fmt.Sprintf("%s (%s, empty: %v)", said(h.CreatedBy), h.Comment, h.EmptyLayer))
	}
	c := conf.Config
	sort.Strings(c.OnBuild)
	p.config = fmt.Sprintf("env %q\ncmd %q\nentrypoint %q\nworkdir %q\nuser %q\nlabels %v\nvolumes %v\nports %v\nstop %q\nhealth %v\nshell %q\nonbuild %q\nplatform %s/%s\nlayers %d",
		c.Env, c.Cmd, c.Entrypoint, c.WorkingDir, c.User, c.Labels, c.Volumes, c.ExposedPorts, c.StopSignal, c.Healthcheck, c.Shell, c.OnBuild,
		conf.OS, conf.Architecture, len(conf.RootFS.DiffIDs))
	return p, nil
}

// said is what a step says, without what versions of BuildKit write in different ways.
func said(by string) string {
	word, rest, _ := strings.Cut(by, " ")
	switch word {
	case "HEALTHCHECK", "EXPOSE":
		return word
	case "COPY", "ADD":
		for strings.HasPrefix(rest, "--") {
			_, rest, _ = strings.Cut(rest, " ")
		}
	}
	return word + " " + rest
}

func (p *picture) add(l v1.Layer) error {
	rc, err := l.Uncompressed()
	if err != nil {
		return err
	}
	defer rc.Close()
	now := map[string]string{}
	for t := tar.NewReader(rc); ; {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		at := strings.TrimPrefix(path.Clean("/"+h.Name), "/")
		base := path.Base(at)
		if hidden, ok := strings.CutPrefix(base, ".wh."); ok {
			if hidden == ".wh..opq" {
				p.drop(path.Dir(at), false)
			} else {
				p.drop(path.Join(path.Dir(at), hidden), true)
			}
			continue
		}
		if h.Typeflag != tar.TypeDir {
			p.drop(at, true)
		}
		line, err := describe(h, t)
		if err != nil {
			return err
		}
		if h.Typeflag == tar.TypeLink {
			line = now[strings.TrimPrefix(path.Clean("/"+h.Linkname), "/")]
		}
		now[at] = line
	}
	for at, line := range now {
		p.files[at] = line
	}
	return nil
}

// drop takes a path away, or only what is in it.
func (p *picture) drop(at string, self bool) {
	for f := range p.files {
		if self && f == at || strings.HasPrefix(f, at+"/") {
			delete(p.files, f)
		}
	}
}

// describe is an entry. Times of folders are those of the moment when something was put into them.
func describe(h *tar.Header, r io.Reader) (string, error) {
	line := fmt.Sprintf("%c mode %o %d:%d", h.Typeflag, h.Mode&0o7777, h.Uid, h.Gid)
	for _, key := range []string{"security.capability", "user.skiff"} {
		if v, ok := h.PAXRecords["SCHILY.xattr."+key]; ok {
			line += fmt.Sprintf(" %s=%q", key, v)
		}
	}
	switch h.Typeflag {
	case tar.TypeReg:
		sum := sha256.New()
		n, err := io.Copy(sum, r)
		if err != nil {
			return "", err
		}
		line += fmt.Sprintf(" size %d sha %x", n, sum.Sum(nil)[:6])
	case tar.TypeSymlink:
		line = fmt.Sprintf("link %d:%d to %s", h.Uid, h.Gid, h.Linkname)
	}
	if h.Typeflag == tar.TypeReg || h.Typeflag == tar.TypeLink {
		line += fmt.Sprint(" time ", h.ModTime.Unix())
	}
	return line, nil
}

func (p *picture) diff(other *picture) string {
	text := cmp.Diff(p.files, other.files)
	if d := cmp.Diff(p.config, other.config); d != "" {
		text += "configuration:\n" + d
	}
	if d := cmp.Diff(p.history, other.history); d != "" {
		text += "history:\n" + d
	}
	return text
}
