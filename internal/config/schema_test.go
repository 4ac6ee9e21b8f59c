package config

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

func compiled(t *testing.T, version string) *jsonschema.Schema {
	t.Helper()
	data, err := Schema(version)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("file:///schema.json", doc); err != nil {
		t.Fatal(err)
	}
	// Compile checks the schema against the meta schema that it names.
	s, err := c.Compile("file:///schema.json")
	if err != nil {
		t.Fatalf("%s: %v", version, err)
	}
	return s
}

func TestTheSchemaOfEveryVersionIsValidAndRefusesUnknownFields(t *testing.T) {
	for _, version := range Versions() {
		s := compiled(t, version)
		good := map[string]any{"apiVersion": version, "kind": "Config", ".anchors": []any{1.0}}
		if err := s.Validate(good); err != nil {
			t.Errorf("%s: %v", version, err)
		}
		for _, bad := range []map[string]any{
			{"apiVersion": version, "kind": "Config", "buidl": map[string]any{}},
			{"apiVersion": "skaffold/v0", "kind": "Config"},
			{"kind": "Config"},
			{"apiVersion": version, "kind": "Config", "deploy": "kubectl"},
		} {
			if s.Validate(bad) == nil {
				t.Errorf("%s: %v passes", version, bad)
			}
		}
	}
}

func TestTheSchemaNamesTheFieldsOfItsVersion(t *testing.T) {
	for _, tt := range []struct {
		version, file string
		want          bool
	}{
		{"skaffold/v1alpha3", `{"build":{"artifacts":[{"imageName":"web"}]}}`, true},
		{"skaffold/v1alpha4", `{"build":{"artifacts":[{"imageName":"web"}]}}`, false},
		{"skaffold/v2beta29", `{"deploy":{"kubectl":{"manifests":["a"]}}}`, true},
		{"skaffold/v4beta14", `{"deploy":{"kubectl":{"manifests":["a"]}}}`, false},
		{"skaffold/v4beta14", `{"profiles":[{"name":"x","deploy":{"kubectl":{"manifests":["a"]}}}]}`, false},
		{"skaffold/v4beta14", `{"profiles":[{"name":"x","manifests":{"rawYaml":["a"]}}]}`, true},
		{"skaffold/v4beta14", `{"build":{"tagPolicy":{"customTemplate":{"template":"x","components":[{"name":"a","customTemplate":{"templat":"y"}}]}}}}`, false},
		{"skaffold/v4beta14", `{"build":{"local":null,"artifacts":[{"image":"a","docker":{"buildArgs":{"A":null,"B":1}}}]}}`, true},
	} {
		var doc map[string]any
		if err := json.Unmarshal([]byte(tt.file), &doc); err != nil {
			t.Fatal(err)
		}
		doc["apiVersion"], doc["kind"] = tt.version, "Config"
		if err := compiled(t, tt.version).Validate(doc); (err == nil) != tt.want {
			t.Errorf("%s %s: %v", tt.version, tt.file, err)
		}
	}
}

func TestRealFilesPassTheSchemaOfTheirVersion(t *testing.T) {
	root := corpus(t)
	schemas := map[string]*jsonschema.Schema{}
	good, all := 0, 0
	for _, row := range verdicts(t, root) {
		if row["profile"] != "" || row["fix_rc"] != "0" {
			continue
		}
		data, err := os.ReadFile(filepath.Join(root, row["dir"], row["path"]))
		if err != nil {
			t.Fatal(err)
		}
		for _, doc := range jsonValues(t, data) {
			version, _ := doc.(map[string]any)["apiVersion"].(string)
			if schemas[version] == nil {
				schemas[version] = compiled(t, version)
			}
			all++
			if err := schemas[version].Validate(doc); err != nil {
				t.Errorf("%s/%s: %v", row["dir"], row["path"], err)
				continue
			}
			good++
		}
	}
	t.Logf("%d of %d documents pass the schema of their version; %d versions", good, all, len(schemas))
}

// jsonValues is every document of a YAML stream as encoding/json would read it.
func jsonValues(t *testing.T, data []byte) []any {
	t.Helper()
	var all []any
	for _, v := range values(data) {
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, doc)
	}
	return all
}
