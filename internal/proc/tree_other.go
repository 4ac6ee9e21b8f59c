//go:build unix && !linux

package proc

import "syscall"

// diesWithUs does nothing: only Linux ends a child with its parent. The watchman does it here.
func diesWithUs(*syscall.SysProcAttr) {}

// sweep does nothing: the environment of other processes cannot be read without a fork, so a process that leaves its group on
// purpose (setsid) lives on.
func sweep(string) {}
