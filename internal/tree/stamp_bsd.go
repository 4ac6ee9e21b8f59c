//go:build darwin || freebsd || netbsd

package tree

import (
	"io/fs"
	"syscall"
)

func identity(info fs.FileInfo) (inode uint64, changed int64) {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, 0
	}
	return uint64(st.Ino), st.Ctimespec.Nano()
}
