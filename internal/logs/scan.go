package logs

import (
	"bufio"
	"errors"
	"io"
	"strings"
	"time"
	"unicode/utf8"
)

// line is one line of a log, or one part of a very long one.
type line struct {
	time time.Time
	text string
}

// longest is where a line is cut, in bytes. The kubelet puts together what the container runtime cuts at 16 KiB, so a line
// may have any length.
const longest = 32 << 10

// scan reads lines with timestamps until the stream ends. An error is returned if it did not end by itself; a line that
// has no end by then is not told, because the next stream repeats it.
func scan(r io.Reader, fn func(line)) error {
	buf := bufio.NewReaderSize(r, longest)
	var at time.Time
	var rest string // the first bytes of a character that was cut
	inside := false // a long line goes on
	for {
		chunk, err := buf.ReadSlice('\n')
		more := errors.Is(err, bufio.ErrBufferFull)
		if err != nil && !more && !errors.Is(err, io.EOF) {
			return err
		}
		text := strings.TrimRight(rest+string(chunk), "\r\n")
		rest = ""
		if !inside && text != "" {
			var fault bool
			if at, text, fault = stamp(text, at); fault {
				return errors.New(text)
			}
		}
		if more {
			text, rest = whole(text)
		}
		if text != "" || len(chunk) > 0 && !inside {
			fn(line{at, text})
		}
		if inside = more; err != nil && !more {
			return nil
		}
	}
}

// stamp takes the time off the front of a line. The kubelet writes what goes wrong into the stream itself, without a time.
func stamp(text string, before time.Time) (at time.Time, rest string, fault bool) {
	first, rest, _ := strings.Cut(text, " ")
	at, err := time.Parse(time.RFC3339Nano, first)
	if err == nil {
		return at, rest, false
	}
	for _, start := range []string{"unable to retrieve container logs", "failed to watch file", "failed to try resolving symlinks", "rpc error: "} {
		if strings.HasPrefix(text, start) {
			return before, text, true
		}
	}
	return before, text, false
}

// whole cuts a text before a character that is not complete.
func whole(text string) (head, rest string) {
	for i := len(text) - 1; i >= max(0, len(text)-utf8.UTFMax); i-- {
		if utf8.RuneStart(text[i]) {
			if !utf8.FullRuneInString(text[i:]) {
				return text[:i], text[i:]
			}
			break
		}
	}
	return text, ""
}
