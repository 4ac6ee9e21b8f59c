//go:build unix

package image

import (
	"os"

	"golang.org/x/sys/unix"
)

// lockFile waits for the lock of a file, which holds for as long as a session needs to write a few kilobytes.
func lockFile(file string) (unlock func(), err error) {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		f.Close()
		return nil, err
	}
	return func() { f.Close() }, nil
}
