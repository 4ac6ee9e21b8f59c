//go:build !linux

package watch

// notifies says whether the file system that path is on tells what changes. Outside Linux all that can be mounted does.
func notifies(string) bool { return true }
