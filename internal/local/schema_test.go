package local

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"
)

// settingsSchema is the schema as an editor uses it: compiling checks it against the meta schema that it names.
func settingsSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	data, err := json.Marshal(Schema())
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(string(data)))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("file:///skiff.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("file:///skiff.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// everyKey is a file that says all that can be said.
const everyKey = `apiVersion: skiff/v1
local:
  hosts: false
  services:
    web: {build: make, command: ./web, dir: bin, env: {A: b}, port: 9000, watch: ["*.tmpl"], skip: true, run: once}
  external:
    redis: {command: redis-server, dir: var, env: {A: b}, port: 6379}
    db: {address: "db.test:5432"}
`

// TestTheSchemaAgreesWithTheReader gives both the same files.
func TestTheSchemaAgreesWithTheReader(t *testing.T) {
	example, err := os.ReadFile(filepath.Join("..", "..", "examples", "guestbook", SettingsName))
	if err != nil {
		t.Fatal(err)
	}
	schema := settingsSchema(t)
	for _, tt := range []struct {
		name, text string
		ok         bool
	}{
		{"every key", everyKey, true},
		{"the example", string(example), true},
		{"a key that is not known", "local: {services: {web: {comand: x}}}", false},
		{"a number as a text", "local: {services: {web: {port: '9000'}}}", false},
		{"a text as a list", "local: {services: {web: {watch: x}}}", false},
		{"a word as a switch", "local: {services: {web: {skip: maybe}}}", false},
		{"another way to run", "local: {services: {web: {run: twice}}}", false},
		{"another version", "apiVersion: skiff/v2", false},
		{"another top", "remote: {}", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var value any
			if err := yaml.Unmarshal([]byte(tt.text), &value); err != nil {
				t.Fatal(err)
			}
			if err := schema.Validate(value); (err == nil) != tt.ok {
				t.Errorf("the schema says %v", err)
			}
			if _, err := ParseSettings("skiff.yaml", []byte(tt.text)); (err == nil) != tt.ok {
				t.Errorf("the reader says %v", err)
			}
		})
	}
}
