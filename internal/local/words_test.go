package local

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAShellTextIsSplitIntoCommands(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		want       [][]string
		simple     bool
	}{
		{"one after the other", "apt-get update && apt-get install -y git; rm -rf /x", [][]string{{"apt-get", "update"}, {"apt-get", "install", "-y", "git"}, {"rm", "-rf", "/x"}}, true},
		{"quotes", `echo 'a b' "c d" e\ f`, [][]string{{"echo", "a b", "c d", "e f"}}, true},
		{"redirections are no arguments", `python3 -c "import flask" 2>/dev/null || pip install x >>log 2>&1`, [][]string{{"python3", "-c", "import flask"}, {"pip", "install", "x"}}, false},
		{"a pipe", "curl x | sh", [][]string{{"curl", "x"}, {"sh"}}, false},
		{"an open quote", "echo 'a", [][]string{{"echo", "a"}}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, simple := commands(tt.text)
			if diff := cmp.Diff(tt.want, got); diff != "" || simple != tt.simple {
				t.Errorf("commands (-want +got):\n%s; simple: %t", diff, simple)
			}
		})
	}
}
