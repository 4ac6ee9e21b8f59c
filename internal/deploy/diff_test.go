package deploy

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDiff(t *testing.T) {
	for _, tt := range []struct{ name, before, after, want string }{
		{"nothing", "a\nb\n", "a\nb\n", ""},
		{"from nothing", "", "a\nb\n", "+ a\n+ b\n"},
		{"to nothing", "a\n", "", "- a\n"},
		{"a line in the middle, far from both ends", "1\n2\n3\n4\n5\n6\n7\n8\n9\n", "1\n2\n3\n4\nx\n6\n7\n8\n9\n", "  2\n  3\n  4\n- 5\n+ x\n  6\n  7\n  8\n  …\n"},
		{"two changes", "a\nb\nc\n", "b\nc\nd\n", "- a\n  b\n  c\n+ d\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, diff(tt.before, tt.after)); diff != "" {
				t.Errorf("diff (-want +got):\n%s", diff)
			}
		})
	}
}
