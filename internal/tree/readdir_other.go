//go:build !linux && !darwin && !freebsd && !netbsd

package tree

import "os"

func readDir(dir string) ([]Entry, error) {
	list, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	entries := make([]Entry, 0, len(list))
	for _, d := range list {
		if info, err := d.Info(); err == nil { // else it vanished
			entries = append(entries, Entry{d.Name(), StampOf(info)})
		}
	}
	return entries, nil
}
