package config

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	neturl "net/url"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/skiff-dev/skiff/internal/diag"
)

// maxFile is far above any project file, and low enough that a wrong -f is refused at once.
const maxFile = 16 << 20

// input is a project file as it lies on the disk.
type input struct {
	name string // as messages show it
	path string // absolute, "-" for standard input
	data []byte
}

// read finds and reads the file that the options name.
func read(ctx context.Context, o Options) (input, error) {
	if o.File == "-" {
		if o.Stdin == nil {
			return input{}, configError("standard input is not open", `pass a file with "-f FILE"`)
		}
		data, err := io.ReadAll(io.LimitReader(o.Stdin, maxFile+1))
		if err != nil {
			return input{}, fmt.Errorf("read standard input: %w", err)
		}
		return input{"stdin", "-", data}, sized("stdin", data)
	}
	name := cmp.Or(o.File, "skaffold.yaml")
	if isURL(name) {
		return download(ctx, o, name)
	}
	return readNamed(o.Dir, name)
}

func isURL(name string) bool {
	return strings.HasPrefix(name, "http://") || strings.HasPrefix(name, "https://")
}

// download gets a project file by its URL, which is its path as well.
func download(ctx context.Context, o Options, url string) (input, error) {
	if o.Download == nil {
		return input{}, configError(url+" is not read here: only files of this machine can be changed", "save it beside the project and name that file")
	}
	shown := url
	if parsed, err := neturl.Parse(url); err == nil {
		shown = parsed.Redacted()
	}
	data, err := o.Download(ctx, url)
	if err != nil {
		e := configError(fmt.Sprintf("%s cannot be read: %v", shown, err), "check the address with: curl -fsSL "+shown)
		e.Err = err
		return input{}, e
	}
	return input{shown, url, data}, sized(shown, data)
}

func readNamed(dir, name string) (input, error) {
	in, err := readFile(dir, name)
	if errors.Is(err, fs.ErrNotExist) && filepath.Base(name) == "skaffold.yaml" {
		other := filepath.Join(filepath.Dir(name), "skaffold.yml")
		if yml, ymlErr := readFile(dir, other); ymlErr == nil || !errors.Is(ymlErr, fs.ErrNotExist) {
			return yml, ymlErr
		}
	}
	if errors.Is(err, fs.ErrNotExist) {
		return input{}, missing(dir, name, err)
	}
	return in, err
}

func readFile(dir, name string) (input, error) {
	path := name
	if !filepath.IsAbs(path) {
		path = filepath.Join(dir, name)
	}
	info, err := os.Stat(path)
	if err != nil {
		return input{}, fmt.Errorf("read %s: %w", name, err)
	}
	if info.IsDir() {
		return input{}, configError(fmt.Sprintf("%s is a folder, not a file", name), fmt.Sprintf("pass the file itself: -f %s", filepath.Join(name, "skaffold.yaml")))
	}
	if info.Size() > maxFile {
		return input{}, sized(name, make([]byte, maxFile+1))
	}
	data, err := os.ReadFile(path)
	if err != nil {
		e := configError(fmt.Sprintf("%s cannot be read: %v", name, unwrapPath(err)), fmt.Sprintf("check the permissions with: ls -l %s", path))
		e.Err = err
		return input{}, e
	}
	return input{name, path, data}, sized(name, data)
}

// unwrapPath drops the path from an error of package os: the message names the file already.
func unwrapPath(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

func missing(dir, name string, err error) error {
	what := fmt.Sprintf("%s does not exist in %s", name, dir)
	hint := `change to the project's folder, or name the file with "-f FILE"`
	if filepath.IsAbs(name) {
		what = fmt.Sprintf("%s does not exist", name)
	}
	if name != "skaffold.yaml" {
		hint = `correct the path after "-f", or leave it out to use skaffold.yaml`
	}
	e := configError(what, hint)
	e.Err = err
	return e
}

func configError(what, hint string) *diag.Error {
	return &diag.Error{What: what, Hint: hint, Code: diag.CodeConfig}
}

func sized(name string, data []byte) error {
	if len(data) <= maxFile {
		return nil
	}
	return configError(fmt.Sprintf("%s is larger than %d MiB", name, maxFile>>20), "pass a skaffold.yaml")
}

// clean removes a byte order mark and refuses bytes that no YAML file holds, each at its place.
func clean(in input) ([]byte, *diag.Error) {
	data := in.data
	if bytes.HasPrefix(data, []byte{0xff, 0xfe}) || bytes.HasPrefix(data, []byte{0xfe, 0xff}) {
		return nil, &diag.Error{Pos: diag.Pos{File: in.name, Line: 1, Column: 1}, What: "the file is UTF-16", Hint: "save it as UTF-8", Code: diag.CodeConfig}
	}
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	if len(bytes.TrimSpace(data)) == 0 {
		return nil, &diag.Error{Pos: diag.Pos{File: in.name}, What: "the file is empty", Hint: "write one; skiff explain lists the fields", Code: diag.CodeConfig}
	}
	if i := badByte(data); i >= 0 {
		what, hint := "the file is not text: it holds a control character", "remove that character"
		switch r, size := utf8.DecodeRune(data[i:]); {
		case r == 0:
			what, hint = "the file holds a NUL byte", "restore the file or save it again as UTF-8 text"
		case r == utf8.RuneError && size == 1:
			what, hint = "the file is not UTF-8 here", "save it as UTF-8"
		}
		line := bytes.Count(data[:i], []byte("\n")) + 1
		column := utf8.RuneCount(data[bytes.LastIndexByte(data[:i], '\n')+1:i]) + 1
		return nil, &diag.Error{Pos: diag.Pos{File: in.name, Line: line, Column: column}, What: what, Hint: hint, Code: diag.CodeConfig}
	}
	return data, nil
}

// badByte is the offset of the first byte that is no part of a text file, -1 if there is none.
func badByte(data []byte) int {
	for i := 0; i < len(data); {
		if c := data[i]; c < utf8.RuneSelf {
			if c < ' ' && c != '\t' && c != '\n' && c != '\r' || c == 0x7f {
				return i
			}
			i++
			continue
		}
		r, size := utf8.DecodeRune(data[i:])
		if r == utf8.RuneError && size == 1 {
			return i
		}
		i += size
	}
	return -1
}
