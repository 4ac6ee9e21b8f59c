package assemble

import (
	"io/fs"
	"maps"
	"path"
	"slices"
	"sort"
	"strings"
	"time"
)

// node is one file, folder or link: of a build context, of a layer, or of an image.
type node struct {
	Path   string            `json:"p"` // slash-separated, without a slash before it
	Mode   fs.FileMode       `json:"m"` // with the bits of its type
	UID    int               `json:"u,omitempty"`
	GID    int               `json:"g,omitempty"`
	Size   int64             `json:"s,omitempty"`
	Time   time.Time         `json:"t"`
	Link   string            `json:"l,omitempty"` // where a symbolic link leads
	Inode  string            `json:"i,omitempty"` // the same for hard links of one file; empty: it has one name
	Xattrs map[string]string `json:"x,omitempty"`
	Digest string            `json:"d,omitempty"` // sha256 in hex of a file's contents
	Dev    [2]int64          `json:"v,omitzero"`
	Text   []byte            `json:"x2,omitempty"` // contents of a file that decides about others

	from content
}

// content says where a file's bytes are.
type content struct {
	file  string // on this machine
	data  []byte // or here
	layer *layer // or in a layer of a registry, under
	path  string // this path
}

func (n *node) isDir() bool  { return n != nil && n.Mode.IsDir() }
func (n *node) isLink() bool { return n != nil && n.Mode&fs.ModeSymlink != 0 }
func (n *node) isFile() bool { return n != nil && n.Mode.IsRegular() }

// forest is files by their paths, with what is in each folder. The root is the empty path.
type forest struct {
	nodes map[string]*node
	names map[string][]string // the names in each folder; sorted when first read
	dirty map[string]bool
}

func newForest() *forest {
	f := &forest{nodes: map[string]*node{}, names: map[string][]string{}, dirty: map[string]bool{}}
	f.nodes[""] = &node{Mode: fs.ModeDir | 0o755}
	return f
}

func (f *forest) put(n *node) {
	if _, have := f.nodes[n.Path]; !have && n.Path != "" {
		dir, name := split(n.Path)
		f.names[dir] = append(f.names[dir], name)
		f.dirty[dir] = true
	}
	f.nodes[n.Path] = n
}

// cut takes a path away, with all below it.
func (f *forest) cut(p string) {
	if f.nodes[p] == nil {
		return
	}
	for _, name := range slices.Clone(f.names[p]) {
		f.cut(join(p, name))
	}
	delete(f.nodes, p)
	delete(f.names, p)
	dir, name := split(p)
	f.names[dir] = slices.DeleteFunc(f.names[dir], func(s string) bool { return s == name })
}

func (f *forest) stat(p string) (*node, error) { return f.nodes[p], nil }

func (f *forest) list(dir string) []string {
	if f.dirty[dir] {
		sort.Strings(f.names[dir])
		f.dirty[dir] = false
	}
	return f.names[dir]
}

// paths are all but the root, in the order in which a folder comes before what is in it.
func (f *forest) paths() []string {
	all := slices.Collect(maps.Keys(f.nodes))
	sort.Strings(all)
	return slices.DeleteFunc(all, func(p string) bool { return p == "" })
}

func split(p string) (dir, name string) {
	at := strings.LastIndexByte(p, '/')
	if at < 0 {
		return "", p
	}
	return p[:at], p[at+1:]
}

func join(dir, name string) string {
	if dir == "" {
		return name
	}
	return dir + "/" + name
}

// inside is a path of an image or a context as nodes have it.
func inside(p string) string { return strings.TrimPrefix(path.Clean("/"+p), "/") }

// statter is files that can be asked for by their paths; nil: there is none.
type statter interface {
	stat(p string) (*node, error)
}

// maxLinks is how many symbolic links a path may have.
const maxLinks = 255

// follow resolves the symbolic links of a path as if files were the root. What does not exist stays as it is written. The last part
// is followed as well if last is set.
func follow(files statter, p string, last bool) (string, error) {
	rest, at := strings.Split(inside(p), "/"), ""
	for links := 0; len(rest) > 0; {
		name := rest[0]
		rest = rest[1:]
		switch name {
		case "", ".":
			continue
		case "..":
			at, _ = split(at)
			continue
		}
		next := join(at, name)
		if len(rest) == 0 && !last {
			return next, nil
		}
		n, err := files.stat(next)
		if err != nil {
			return "", err
		}
		if !n.isLink() {
			at = next
			continue
		}
		if links++; links > maxLinks {
			return "", &uncertain{"/" + inside(p) + " leads in a circle of links"}
		}
		if strings.HasPrefix(n.Link, "/") {
			at = ""
		}
		rest = append(strings.Split(n.Link, "/"), rest...)
	}
	return at, nil
}

// uncertain is why an image is not assembled: the words that the user reads.
type uncertain struct{ why string }

func (u *uncertain) Error() string { return u.why }
