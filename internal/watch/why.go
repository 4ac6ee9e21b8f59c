package watch

import (
	"errors"
	"fmt"
	"syscall"
)

// whyPolling is the note that something is polled, with the way out; path is "" when it is everything.
func whyPolling(path string, err error) string {
	what := "all files are"
	if path != "" {
		what = path + " is"
	}
	const slower = "looked at again and again instead of being notified of changes"
	switch {
	case errors.Is(err, errCannotNotify):
		return fmt.Sprintf("%s %s: %v; keep the project on a disk of this machine to be faster", what, slower, err)
	case errors.Is(err, syscall.ENOSPC):
		return fmt.Sprintf("%s %s: the limit of watched folders is reached; raise it with: "+
			"sudo sysctl fs.inotify.max_user_watches=524288", what, slower)
	case errors.Is(err, syscall.EMFILE) && path == "":
		return fmt.Sprintf("%s %s: the limit of inotify instances is reached; raise it with: "+
			"sudo sysctl fs.inotify.max_user_instances=512", what, slower)
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return fmt.Sprintf("%s %s: the limit of open files is reached; raise it with: ulimit -n 65536", what, slower)
	}
	return fmt.Sprintf("%s %s: %v", what, slower, err)
}
