package assemble

import (
	"archive/tar"
	"bytes"
	"compress/bzip2"
	"io"
	"os"
)

// unpack is what ADD does with an archive of the context. Unpacking is left to the engine.
func (c *copier) unpack(src string) (bool, error) {
	at, err := follow(c.src, src, true)
	if err != nil {
		return false, err
	}
	n := c.src.nodes[at]
	if !n.isFile() || n.from.file == "" {
		return false, nil
	}
	is, err := isArchive(n.from.file)
	if err != nil || !is {
		return false, err
	}
	return false, &uncertain{"ADD unpacks " + src}
}

// isArchive says whether ADD unpacks a file.
func isArchive(file string) (bool, error) {
	f, err := os.Open(file)
	if err != nil {
		return false, err
	}
	defer f.Close()
	head := make([]byte, 10)
	n, _ := io.ReadFull(f, head)
	head = head[:n]
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return false, err
	}
	var plain io.Reader
	switch {
	case bytes.HasPrefix(head, []byte{0xfd, '7', 'z', 'X', 'Z', 0}):
		return true, nil // what is in it is not looked at: the engine decides
	case bytes.HasPrefix(head, []byte("BZh")):
		plain = bzip2.NewReader(f)
	default:
		if plain, err = decompress(f); err != nil {
			return false, nil
		}
	}
	_, err = tar.NewReader(plain).Next()
	return err == nil, nil
}
