package diag_test

import (
	"testing"

	"github.com/skiff-dev/skiff/internal/diag"
)

func TestNearest(t *testing.T) {
	words := []string{"artifacts", "tagPolicy", "local", "cluster", "platforms"}
	for _, tt := range []struct{ name, word, want string }{
		{"a letter is missing", "artifcts", "artifacts"},
		{"two letters are swapped", "lcoal", "local"},
		{"the case does not count", "TAGPOLICY", "tagPolicy"},
		{"a short form", "arts", "artifacts"},
		{"something else", "deploy", ""},
		{"too short to tell", "l", ""},
		{"nothing", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := diag.Nearest(tt.word, words); got != tt.want {
				t.Errorf("Nearest(%q) = %q, want %q", tt.word, got, tt.want)
			}
		})
	}
}
