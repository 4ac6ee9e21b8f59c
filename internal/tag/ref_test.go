package tag

import (
	"strings"
	"testing"
)

func TestRef(t *testing.T) {
	long := strings.Repeat("a", 300)
	for _, tt := range []struct {
		name, image, repo string
		multi             bool
		want              string
	}{
		{"without a default repository an image stays as it is", "gcr.io/p/web", "", false, "gcr.io/p/web:1"},
		{"a ko:// name is an import path in lower case", "ko://github.com/Me/app", "", false, "github.com/me/app:1"},
		{"another project goes below a registry with levels", "gcr.io/otherproj/web", "gcr.io/myproject", false, "gcr.io/myproject/gcr.io/otherproj/web:1"},
		{"the same project is not repeated", "gcr.io/myproject/web", "gcr.io/myproject/sub", false, "gcr.io/myproject/sub/web:1"},
		{"a short name goes below", "web", "gcr.io/myproject", false, "gcr.io/myproject/web:1"},
		{"a flat registry gets one word", "gcr.io/p/web", "docker.io/me", false, "docker.io/me/gcr_io_p_web:1"},
		{"a short name stays short in a flat registry", "web", "localhost:5000", false, "localhost:5000/web:1"},
		{"ports and at signs become underscores", "host:80/a@b", "docker.io/me", false, "docker.io/me/host_80_a_b:1"},
		{"a name that is there already stays", "docker.io/me/web", "docker.io/me", false, "docker.io/me/web:1"},
		{"a project of five letters counts as flat", "x/web", "gcr.io/ab", false, "gcr.io/ab/x_web:1"},
		{"a text prefix is enough to stay", "gcr.io/p123456/x", "gcr.io/p12345", false, "gcr.io/p123456/x:1"},
		{"an artifact registry has levels", "a/web", "us-docker.pkg.dev/myproject/repo", false, "us-docker.pkg.dev/myproject/repo/a/web:1"},
		{"any registry has levels when it is said so", "a/b/web", "harbor.example/team", true, "harbor.example/team/a/b/web:1"},
		{"a slash at the end is not doubled", "web", "localhost:5000/", false, "localhost:5000/web:1"},
		{"a name that is too long is cut before the tag", long, "docker.io/me", false, ("docker.io/me/" + long)[:255] + ":1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := Ref(tt.image, "1", tt.repo, tt.multi); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}
