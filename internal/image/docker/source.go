package docker

import (
	"path"
	"slices"
	"strings"
)

// before is the folder that a path certainly lies in, when what follows mark is not known.
func before(p, mark string) string {
	p, _, _ = strings.Cut(p, mark)
	p = p[:strings.LastIndexByte(p, '/')+1]
	if p == "" {
		return "/"
	}
	return p
}

// isRemote says whether ADD fetches the source instead of taking it from the context.
func isRemote(p string) bool {
	for _, scheme := range []string{"http://", "https://", "git://", "ssh://", "git@"} {
		if strings.HasPrefix(p, scheme) {
			return true
		}
	}
	return false
}

// source is one pattern by which a step takes files: the parts of a path, all with what is below. No part is the whole context.
type source struct {
	parts []string
	wild  bool
}

func newSource(word string) source {
	cleaned := strings.Trim(path.Clean("/"+strings.ReplaceAll(word, "\\", "/")), "/")
	if strings.ContainsRune(word, '\\') {
		// A backslash hides a wildcard character; what stands before it is certain.
		cleaned = strings.Trim(path.Clean("/"+before(word, "\\")), "/")
	}
	if cleaned == "" {
		return source{}
	}
	s := source{parts: strings.Split(cleaned, "/"), wild: strings.ContainsAny(cleaned, "*?[")}
	for i, part := range s.parts {
		_, err := path.Match(part, "")
		// Where folders are skipped over, or the pattern is none, all below the part before counts.
		if strings.Contains(part, "**") || err != nil {
			s.parts = s.parts[:i]
			break
		}
	}
	return s
}

// takes says whether the source takes the path (its parts): it matches the path or a folder above it.
func (s source) takes(parts []string) bool {
	return len(parts) >= len(s.parts) && s.agrees(parts)
}

// reaches says whether the source takes the path or something below it.
func (s source) reaches(parts []string) bool { return s.agrees(parts) }

// agrees compares as many parts as both have. A repository's own files count only where a step names them: "COPY . ." takes them
// along, but a commit or git's housekeeping is no reason for a rebuild.
func (s source) agrees(parts []string) bool {
	for i, part := range parts {
		if part == ".git" && (i >= len(s.parts) || s.parts[i] != ".git") {
			return false
		}
	}
	for i := range min(len(parts), len(s.parts)) {
		if !s.wild {
			if s.parts[i] != parts[i] {
				return false
			}
			continue
		}
		if ok, _ := path.Match(s.parts[i], parts[i]); !ok {
			return false
		}
	}
	return true
}

// equal says whether two sources are the same.
func (s source) equal(o source) bool { return slices.Equal(s.parts, o.parts) }
