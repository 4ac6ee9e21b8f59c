package config

import (
	"strings"
	"testing"

	"github.com/skiff-dev/skiff/internal/diag"
)

func TestImageNames(t *testing.T) {
	for _, tt := range []struct{ image, want string }{
		{"web", ""},
		{"gcr.io/p/web-ui", ""},
		{"localhost:5000/a/b_c", ""},
		{"ko://github.com/Acme/app", ""},
		{"Upper", ""},
		{"a--b/c__d.e", ""},
		{"web:v1", "has a tag"},
		{"host:5000/web:v1", "has a tag"},
		{"web@sha256:abc", "has a digest"},
		{"a..b", "is not an image name"},
		{"a___b", "is not an image name"},
		{"-a", "is not an image name"},
		{"a/", "is not an image name"},
		{"a//b", "is not an image name"},
		{"a b", "is not an image name"},
		{"{{.X}}", "is not an image name"},
		{"ex-.com/a", `does not name a registry: "ex-.com"`},
		{"a.b:x/c", `does not name a registry: "a.b:x"`},
	} {
		if got, _ := imageName(tt.image); got != tt.want {
			t.Errorf("imageName(%q) = %q, want %q", tt.image, got, tt.want)
		}
	}
}

func TestTheNearestWordIsTheOneThatWasMeant(t *testing.T) {
	words := []string{"artifacts", "image", "context", "dest", "src", "strip", "portForward"}
	for _, tt := range []struct{ word, want string }{
		{"dst", "dest"},
		{"artefacts", "artifacts"},
		{"img", "image"},
		{"ctx", "context"},
		{"CONTEXT", "context"},
		{"portforwards", "portForward"},
		{"srip", "strip"},
		{"x", ""},
		{"somethingElse", ""},
	} {
		if got := diag.Nearest(tt.word, words); got != tt.want {
			t.Errorf("diag.Nearest(%q) = %q, want %q", tt.word, got, tt.want)
		}
	}
}

func TestConditionsMatchAsInSkaffold(t *testing.T) {
	for _, tt := range []struct {
		pattern, text string
		want          bool
	}{
		{"dev", "dev", true},
		{"dev", "my-dev-cluster", true},
		{"^dev$", "my-dev-cluster", false},
		{"!dev", "run", true},
		{"!dev", "dev", false},
		{"[", "[", true},
		{"[", "x", false},
		{"![", "x", true},
	} {
		if got := Matches(tt.pattern, tt.text); got != tt.want {
			t.Errorf("Matches(%q, %q) = %v, want %v", tt.pattern, tt.text, got, tt.want)
		}
	}
}

func TestTheFormatKnowsWhenAFieldCameAndWent(t *testing.T) {
	f := theFormat()
	if got := len(f.versions); got != 72 {
		t.Fatalf("%d versions, want 72", got)
	}
	for _, tt := range []struct {
		version, path string
		want          kind
	}{
		{"v1alpha1", "build.tagPolicy", isString},
		{"v1alpha2", "build.tagPolicy", isObject},
		{"v1beta9", "build.artifacts.sync", isMap},
		{"v4beta14", "build.artifacts.sync.auto", isBool},
		{"v4beta14", "deploy.kubectl.manifests", ""},
		{"v2beta29", "deploy.kubectl.manifests", "[]string"},
		{"v1alpha4", "metadata", ""},
		{"v4beta14", "portForward.port", isPort},
	} {
		at := f.root
		for _, key := range strings.Split(tt.path, ".") {
			at = at.kids[key]
		}
		if got := at.at(f.order[tt.version]); got != tt.want {
			t.Errorf("%s in %s is %q, want %q", tt.path, tt.version, got, tt.want)
		}
	}
}
