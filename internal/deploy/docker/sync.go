package docker

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/skiff-dev/skiff/internal/diag"
	"github.com/skiff-dev/skiff/internal/engine"
)

// Change is one file that is to be the same in the containers of an artifact.
type Change struct {
	Local  string // absolute, here
	Remote string // absolute, in the container
	Delete bool
}

// put is a change that was made, and when.
type put struct {
	Change
	seq uint64
}

// Container is a running container of an artifact.
type Container struct{ Service, ID string }

// Mark is this moment in the order of changes.
func (t *Target) Mark() uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.seq
}

// Built forgets what was put before mark: the new image holds it.
func (t *Target) Built(artifact string, mark uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for remote, p := range t.put[artifact] {
		if p.seq <= mark {
			delete(t.put[artifact], remote)
		}
	}
}

// Put copies files into the running containers of an artifact, and removes those that are gone. A container that is made later, from the
// same image, gets the same.
func (t *Target) Put(ctx context.Context, artifact string, changes []Change) ([]Container, error) {
	e, err := t.o.Engine(ctx)
	if err != nil {
		return nil, err
	}
	t.mu.Lock()
	if t.put[artifact] == nil {
		t.put[artifact] = map[string]put{}
	}
	t.seq++
	for _, c := range changes {
		t.put[artifact][c.Remote] = put{c, t.seq}
	}
	var containers []Container
	for _, s := range t.services {
		if id := t.running[s.Name]; s.Artifact == artifact && id != "" {
			containers = append(containers, Container{s.Name, id})
		}
	}
	t.mu.Unlock()
	if len(containers) == 0 {
		return nil, errors.New("no container of the image runs")
	}
	for _, c := range containers {
		if err := send(ctx, e, c.ID, changes, true); err != nil {
			return nil, fmt.Errorf("container %s: %w", c.Service, err)
		}
	}
	return containers, nil
}

// replay puts what was synced since the image was built into a container that is about to start.
func (t *Target) replay(ctx context.Context, e *engine.Engine, s Service, id string) error {
	t.mu.Lock()
	var changes []Change
	for _, p := range t.put[s.Artifact] {
		changes = append(changes, p.Change)
	}
	t.mu.Unlock()
	if s.Artifact == "" || len(changes) == 0 {
		return nil
	}
	slices.SortFunc(changes, func(a, b Change) int { return strings.Compare(a.Remote, b.Remote) })
	return send(ctx, e, id, changes, false)
}

// send brings changes to one container. Only one that runs can be asked to remove files.
func send(ctx context.Context, e *engine.Engine, id string, changes []Change, running bool) error {
	archive, deleted, err := pack(changes)
	if err != nil {
		return err
	}
	if len(deleted) > 0 && running {
		var out bytes.Buffer
		code, err := e.Exec(ctx, id, append([]string{"rm", "-rf", "--"}, deleted...), nil, &out, &out)
		if err != nil {
			return err
		}
		if code != 0 {
			return diag.Errorf("an image without rm cannot have files removed; it is built again", "rm ended with %d: %s", code, strings.TrimSpace(out.String()))
		}
	}
	if len(archive) == 0 {
		return nil
	}
	return e.CopyTo(ctx, id, "/", bytes.NewReader(archive))
}

// pack reads the files as they are now.
func pack(changes []Change) (archive []byte, deleted []string, err error) {
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	files := 0
	for _, c := range changes {
		info, err := os.Lstat(c.Local)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			if c.Delete {
				deleted = append(deleted, c.Remote)
			}
			continue
		case err != nil:
			return nil, nil, err
		case info.IsDir():
			continue
		}
		if err := add(w, c, info); err != nil {
			return nil, nil, err
		}
		files++
	}
	if err := w.Close(); err != nil || files == 0 {
		return nil, deleted, err
	}
	return buf.Bytes(), deleted, nil
}

func add(w *tar.Writer, c Change, info fs.FileInfo) error {
	name := strings.TrimLeft(c.Remote, "/")
	if info.Mode()&fs.ModeSymlink != 0 {
		link, err := os.Readlink(c.Local)
		if err != nil {
			return err
		}
		return w.WriteHeader(&tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: link, Mode: 0o777})
	}
	data, err := os.ReadFile(c.Local)
	if err != nil {
		return err
	}
	if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: int64(len(data)), Mode: int64(info.Mode().Perm()), ModTime: info.ModTime()}); err != nil {
		return err
	}
	_, err = w.Write(data)
	return err
}
