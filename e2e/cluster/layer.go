package main

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

// layer is one file-system layer of an image, made once per recipe and kept.
type layer struct {
	name   string
	recipe string // all that decides its content
	// write makes the layer as a tar stream; work is an empty folder that is removed after.
	write func(ctx context.Context, work string, out io.Writer) error
}

// blob is a layer that was made: gzipped in File.
type blob struct {
	File   string `json:"-"`
	Digest string // of the gzipped bytes
	DiffID string // of the tar in it
	Size   int64
}

// makeLayer returns the kept layer of the same recipe, or makes it.
func (c *cluster) makeLayer(ctx context.Context, l layer) (blob, bool, error) {
	base := c.path("images", l.name+"-"+digest(l.name, l.recipe))
	b := blob{File: base + ".tar.gz"}
	if data, err := os.ReadFile(base + ".json"); err == nil && json.Unmarshal(data, &b) == nil {
		return b, false, nil
	}
	work := base + ".work"
	if err := removeTree(work); err != nil {
		return b, false, err
	}
	if err := os.MkdirAll(work, 0o755); err != nil {
		return b, false, err
	}
	if err := b.fill(func(out io.Writer) error { return l.write(ctx, work, out) }); err != nil {
		return b, false, fmt.Errorf("layer %s: %w", l.name, err)
	}
	if err := removeTree(work); err != nil {
		return b, false, err
	}
	data, err := json.Marshal(b)
	if err != nil {
		return b, false, err
	}
	return b, true, writeFile(base+".json", data, 0o644)
}

// fill writes the layer's file and learns its digests on the way.
func (b *blob) fill(write func(io.Writer) error) error {
	f, err := os.Create(b.File)
	if err != nil {
		return err
	}
	defer f.Close()
	outer, inner := sha256.New(), sha256.New()
	zip, err := gzip.NewWriterLevel(io.MultiWriter(f, outer), gzip.BestSpeed)
	if err != nil {
		return err
	}
	if err := write(io.MultiWriter(zip, inner)); err != nil {
		return err
	}
	if err := zip.Close(); err != nil {
		return err
	}
	b.Digest = "sha256:" + hex.EncodeToString(outer.Sum(nil))
	b.DiffID = "sha256:" + hex.EncodeToString(inner.Sum(nil))
	b.Size, err = f.Seek(0, io.SeekCurrent)
	return err
}

// debianLayer is a minimal Debian with some packages. script runs in it at the end.
func (c *cluster) debianLayer(name, script string, include ...string) layer {
	mirror := c.getenv("SKIFF_E2E_MIRROR")
	if mirror == "" {
		mirror = "http://deb.debian.org/debian"
	}
	write := func(ctx context.Context, work string, out io.Writer) error {
		env := append(baseEnv(c.getenv), "DEBIAN_FRONTEND=noninteractive")
		err := c.logged(ctx, "debootstrap-"+name, env, work, "debootstrap", "--variant=minbase",
			"--include="+strings.Join(include, ","), "bookworm", work, mirror)
		if err != nil {
			return err
		}
		if _, err := output(ctx, "chroot", work, "sh", "-ec", script); err != nil {
			return err
		}
		return tarTree(ctx, work, out)
	}
	return layer{name, strings.Join(append([]string{"bookworm", script}, include...), "\n"), write}
}

// tarTree leaves out what a container gets from its runtime. Times are cut so that nothing depends on the hour.
func tarTree(ctx context.Context, dir string, out io.Writer) error {
	return stream(ctx, out, "tar", "--sort=name", "--numeric-owner", "-C", dir,
		"--exclude=./dev/*", "--exclude=./proc/*", "--exclude=./sys/*", "-c", ".")
}

// busyboxLayer is Debian's static busybox under all its names.
func busyboxLayer(ctx context.Context) (layer, error) {
	path, err := lookPath("busybox")
	if err != nil {
		return layer{}, err
	}
	program, err := os.ReadFile(path)
	if err != nil {
		return layer{}, err
	}
	list, err := output(ctx, path, "--list")
	if err != nil {
		return layer{}, err
	}
	applets := strings.Fields(list)
	write := func(_ context.Context, _ string, out io.Writer) error { return writeBusybox(out, program, applets) }
	return layer{"busybox", "2\n" + list + string(program), write}, nil
}

func writeBusybox(out io.Writer, program []byte, applets []string) error {
	t := tarball{w: tar.NewWriter(out)}
	for _, dir := range []string{"bin", "dev", "etc", "home", "proc", "root", "sys", "usr", "usr/bin", "var"} {
		t.dir(dir, 0o755)
	}
	t.dir("tmp", 0o1777)
	t.file("bin/busybox", 0o755, program)
	for _, applet := range applets {
		if applet != "busybox" {
			t.link("bin/"+applet, "busybox")
		}
	}
	t.link("usr/bin/env", "/bin/busybox")
	t.file("etc/passwd", 0o644, []byte("root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/home:/bin/false\n"))
	t.file("etc/group", 0o644, []byte("root:x:0:\nnobody:x:65534:\n"))
	return t.close()
}

// goLayer is this machine's Go.
func goLayer(ctx context.Context) (layer, error) {
	out, err := output(ctx, goProgram(), "env", "GOROOT", "GOVERSION")
	if err != nil {
		return layer{}, err
	}
	root, version, _ := strings.Cut(strings.TrimSpace(out), "\n")
	write := func(ctx context.Context, _ string, out io.Writer) error {
		return stream(ctx, out, "tar", "--sort=name", "--owner=0", "--group=0", "-C", root, "--exclude=./test", "--exclude=./api",
			"--transform=s,^\\.,usr/local/go,", "-c", ".")
	}
	return layer{"go", "1\n" + version, write}, nil
}

// tarball writes small archives; the first error stays.
type tarball struct {
	w   *tar.Writer
	err error
}

func (t *tarball) add(h *tar.Header, data []byte) {
	if t.err != nil {
		return
	}
	h.Format = tar.FormatPAX
	if t.err = t.w.WriteHeader(h); t.err == nil {
		_, t.err = t.w.Write(data)
	}
}

func (t *tarball) dir(name string, mode int64) {
	t.add(&tar.Header{Typeflag: tar.TypeDir, Name: name + "/", Mode: mode}, nil)
}

func (t *tarball) file(name string, mode int64, data []byte) {
	t.add(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: mode, Size: int64(len(data))}, data)
}

func (t *tarball) link(name, target string) {
	t.add(&tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: target, Mode: 0o777}, nil)
}

// copy adds a file of the disk.
func (t *tarball) copy(name, path string, size int64) {
	f, err := os.Open(path)
	if err != nil {
		t.err = err
		return
	}
	defer f.Close()
	t.add(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: size}, nil)
	if t.err == nil {
		_, t.err = io.Copy(t.w, f)
	}
}

func (t *tarball) close() error {
	if t.err != nil {
		return t.err
	}
	return t.w.Close()
}

// pauseProgram waits for its end; it is what keeps the namespaces of a pod.
const pauseProgram = `package main

import (
	"os"
	"os/signal"
	"syscall"
)

func main() {
	end := make(chan os.Signal, 1)
	signal.Notify(end, syscall.SIGINT, syscall.SIGTERM)
	<-end
}
`

func (c *cluster) pauseLayer() layer {
	write := func(ctx context.Context, work string, out io.Writer) error {
		if err := os.WriteFile(filepath.Join(work, "pause.go"), []byte(pauseProgram), 0o644); err != nil {
			return err
		}
		env := append(slices.Clone(os.Environ()), "CGO_ENABLED=0", "GO111MODULE=off")
		if err := c.logged(ctx, "build-pause", env, work, goProgram(), "build", "-ldflags=-s -w", "-o", "pause", "pause.go"); err != nil {
			return err
		}
		program, err := fs.ReadFile(os.DirFS(work), "pause")
		if err != nil {
			return err
		}
		t := tarball{w: tar.NewWriter(out)}
		t.file("pause", 0o755, program)
		return t.close()
	}
	return layer{"pause", pauseProgram, write}
}

// pauseImage is the name of the sandbox image; it is new when the program is.
func (c *cluster) pauseImage() string { return "localhost/skiff-pause:" + digest(pauseProgram) }

// archive writes an image as docker save does, which the engine and containerd both read.
func (i built) archive(out io.Writer) error {
	t := tarball{w: tar.NewWriter(out)}
	var layers []string
	for _, b := range i.layers {
		name := strings.TrimPrefix(b.Digest, "sha256:") + ".tar"
		layers = append(layers, name)
		t.copy(name, b.File, b.Size)
	}
	t.file("config.json", 0o644, i.config)
	manifest, err := json.Marshal([]object{{"Config": "config.json", "RepoTags": i.names, "Layers": layers}})
	if err != nil {
		return err
	}
	t.file("manifest.json", 0o644, manifest)
	return t.close()
}

// stream is the archive as it is written. The caller calls end after the last read.
func (i built) stream() (archive io.Reader, end func()) {
	in, out := io.Pipe()
	var group sync.WaitGroup
	group.Go(func() { out.CloseWithError(i.archive(out)) })
	return in, func() {
		in.Close()
		group.Wait()
	}
}
