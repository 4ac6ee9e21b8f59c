package proc

import (
	"bufio"
	"io"
	"strings"
)

// maxLine is the longest line that is handed on in one piece: memory stays bounded, whatever a program prints.
const maxLine = 64 << 10

// lines hands on what r says, line by line, until it ends. A line that is too long comes in pieces; the last one needs no newline.
func lines(r io.Reader, line func(string)) {
	buf := bufio.NewReaderSize(r, maxLine)
	for {
		piece, err := buf.ReadSlice('\n')
		if len(piece) > 0 {
			line(strings.TrimRight(string(piece), "\r\n"))
		}
		if err != nil && err != bufio.ErrBufferFull {
			return
		}
	}
}
