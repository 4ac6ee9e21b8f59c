//go:build darwin || freebsd || netbsd

package tree

import (
	"io/fs"
	"syscall"

	"golang.org/x/sys/unix"
)

func identity(info fs.FileInfo) (inode uint64, changed int64) {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, 0
	}
	return uint64(st.Ino), st.Ctimespec.Nano()
}

func stampOfStat(st *unix.Stat_t) Stamp {
	return Stamp{Size: st.Size, Modified: st.Mtim.Nano(), Changed: st.Ctim.Nano(), Inode: uint64(st.Ino), Mode: modeOf(uint32(st.Mode))}
}
