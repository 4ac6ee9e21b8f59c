package config

import (
	"bytes"
	"regexp"
	"strconv"
	"strings"

	"github.com/skiff-dev/skiff/internal/diag"
)

// maxSearch is how many lines a file may have for the place of a syntax error to be searched.
const maxSearch = 2000

// syntaxFault gives an error of the YAML parser a place, a line and a next step.
func syntaxFault(src *source, err error) *diag.Error {
	message := strings.TrimPrefix(err.Error(), "yaml: ")
	line := 0
	if m := regexp.MustCompile(`^line (\d+): (.*)$`).FindStringSubmatch(message); m != nil {
		line, _ = strconv.Atoi(m[1])
		message = m[2]
	}
	// The parser names the line where the enclosing block began.
	if len(src.lines) <= maxSearch {
		line = lastReadable(src.lines) + 1
	}
	if line < 1 || line > len(src.lines) {
		return src.fault(line, 0, 0, "the YAML cannot be read: "+message, syntaxHint(message, ""))
	}
	text := src.lines[line-1]
	indent := text[:len(text)-len(strings.TrimLeft(text, " \t"))]
	if tab := strings.IndexByte(indent, '\t'); tab >= 0 {
		return src.fault(line, tab+1, 1, "a tab is used for indentation", "indent with spaces")
	}
	rest := strings.TrimRight(text[len(indent):], "\r")
	return src.fault(line, len(indent)+1, len([]rune(rest)), "the YAML cannot be read here: "+message, syntaxHint(message, rest))
}

// lastReadable is how many lines from the top can be read as YAML: the next one is where the trouble starts. A quote
// or a bracket that is never closed is found where it opens.
func lastReadable(lines []string) int {
	reads := func(n int) bool {
		_, err := decodeAll([]byte(strings.Join(lines[:n], "\n")))
		return err == nil
	}
	// A cut inside a bracket over several lines fails too: a few lines more tell it from the real trouble.
	const more = 20
	low, high := 0, len(lines) // the first low lines can be read, the first high cannot
	for high-low > 1 {
		middle := (low + high) / 2
		n := middle
		for n < min(middle+more, high) && !reads(n) {
			n++
		}
		if n < min(middle+more, high) {
			low = n
		} else {
			high = middle
		}
	}
	return low
}

func syntaxHint(message, line string) string {
	value := line
	if _, after, ok := strings.Cut(line, ": "); ok {
		value = strings.TrimSpace(after)
	}
	switch {
	case strings.Contains(message, "unknown anchor"):
		return "define the anchor above its first use, in the same document"
	case strings.Contains(line, "{{"):
		return `put a value that holds "{{" in quotes`
	case strings.Contains(message, "mapping values are not allowed"):
		return `put a value that holds ": " in quotes, or check the indentation`
	case strings.HasPrefix(value, `"`) || strings.HasPrefix(value, "'"):
		return "close the quote"
	case strings.HasPrefix(value, "[") || strings.HasPrefix(value, "{"):
		return "close the bracket"
	case value != "" && bytes.IndexByte([]byte("*&@%`!|>"), value[0]) >= 0:
		return "put the value in quotes"
	}
	return "check the indentation and the colon of this line"
}
