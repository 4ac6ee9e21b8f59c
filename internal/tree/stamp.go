package tree

import "io/fs"

// Stamp is what a file system says about a file without reading it. Two equal stamps mean that the file was not
// changed between them, unless both were taken within one tick of the file system's clock. Stamps are compared with ==.
type Stamp struct {
	Size     int64
	Modified int64  // mtime in ns since 1970
	Changed  int64  // ctime in ns since 1970; 0 where there is none
	Inode    uint64 // 0 where there is none
	Mode     fs.FileMode
}

// StampOf is the stamp in info.
func StampOf(info fs.FileInfo) Stamp {
	s := Stamp{Size: info.Size(), Modified: info.ModTime().UnixNano(), Mode: info.Mode()}
	s.Inode, s.Changed = identity(info)
	return s
}

// latest is when the file was last touched in any way.
func (s Stamp) latest() int64 { return max(s.Modified, s.Changed) }
