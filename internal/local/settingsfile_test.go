package local

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/skiff-dev/skiff/internal/diag"
)

func TestSkiffYAMLIsStrict(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		want       []string
	}{
		{"all of it", "apiVersion: skiff/v1\nlocal:\n  services:\n    web: {build: make, command: x, dir: d, env: {A: 1}, port: 8080, watch: [a], skip: true}\n  external:\n    redis: {command: redis-server, port: 6379, dir: d, env: {}}\n    db: {address: 'h:1'}\n  hosts: false\n", nil},
		{"nothing", "", nil},
		{"an unknown field", "local:\n  service:\n    web: {}\n", []string{`skiff.yaml:2:3: unknown field "service"`}},
		{"every fault at once", "local:\n  services:\n    web:\n      port: high\n      skip: 1\n      watch: a\n      comand: x\n", []string{
			"skiff.yaml:4:13: a number is expected here", "skiff.yaml:5:13: true or false is expected here",
			"skiff.yaml:6:14: a list is expected here", `skiff.yaml:7:7: unknown field "comand"`}},
		{"a field twice", "local: {}\nlocal: {}\n", []string{`skiff.yaml:2:1: field "local" stands here twice`}},
		{"what has no meaning", "local:\n  services: {web: {port: 0, run: twice}}\n  external:\n    a: {}\n", []string{`skiff.yaml:2:34: "twice" is not known here; write once`}},
		{"servers that cannot be", "local:\n  services: {web: {port: 99999}}\n  external:\n    a: {}\n    b: {command: x, address: 'h:1'}\n    c: {address: h}\n", []string{
			"skiff.yaml:2:26: 99999 is no port", "skiff.yaml:4:5: a needs a command or an address, and not both",
			"skiff.yaml:5:5: b needs a command or an address, and not both", `skiff.yaml:6:18: "h" is no address`}},
		{"another version", "apiVersion: skiff/v9\n", []string{`skiff.yaml:1: unknown apiVersion "skiff/v9"`}},
		{"no YAML", "a: b: c", []string{"skiff.yaml: mapping values are not allowed in this context"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := ParseSettings("skiff.yaml", []byte(tt.text))
			var got []string
			if err != nil {
				for _, e := range diag.All(err) {
					got = append(got, e.Error())
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("faults (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTheSchemaNamesEveryField(t *testing.T) {
	data, err := json.Marshal(Schema())
	if err != nil {
		t.Fatal(err)
	}
	for _, field := range []string{"services", "external", "build", "command", "dir", "env", "port", "watch", "skip", "address"} {
		if !strings.Contains(string(data), `"`+field+`"`) {
			t.Errorf("the schema lacks %s: %s", field, data)
		}
	}
}
