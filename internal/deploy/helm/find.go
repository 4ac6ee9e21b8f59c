package helm

import (
	"context"
	"fmt"
	"strconv"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/metadata"

	"github.com/skiff-dev/skiff/internal/diag"
)

// inputsKey is the label, on helm's record of a release, with the digest of what it was made of.
const inputsKey = "skiff.dev/inputs"

// record is the newest revision of a release, as helm's Secret says without its content.
type record struct {
	revision int
	status   string
	inputs   string
	made     time.Time
}

// kept is whether the release is as the project wants it, or is not to be touched.
func (r *record) kept(want Release) bool {
	if r.status != "deployed" {
		return false
	}
	if on := want.UpgradeOnChange; on != nil && !*on || on == nil && want.Remote {
		return true
	}
	return r.inputs == want.Digest
}

// find looks for the releases with one request per namespace, which leaves their content on the server.
func (d *Deployer) find(ctx context.Context, releases []Release) (map[key]*record, error) {
	client, err := d.metadata()
	if err != nil {
		return nil, err
	}
	found := map[key]*record{}
	asked := map[string]bool{}
	for _, r := range releases {
		if asked[r.Namespace] {
			continue
		}
		asked[r.Namespace] = true
		list, err := client.Resource(schema.GroupVersionResource{Version: "v1", Resource: "secrets"}).Namespace(r.Namespace).List(ctx, metav1.ListOptions{LabelSelector: "owner=helm"})
		if err != nil {
			return nil, d.unseen(r, err)
		}
		for _, s := range list.Items {
			k := key{r.Namespace, s.Labels["name"]}
			revision, _ := strconv.Atoi(s.Labels["version"])
			if was := found[k]; s.Labels["status"] != "uninstalled" && (was == nil || was.revision < revision) {
				found[k] = &record{revision, s.Labels["status"], s.Labels[inputsKey], s.CreationTimestamp.Time}
			}
		}
	}
	return found, nil
}

func (d *Deployer) unseen(r Release, err error) error {
	if e := d.cluster.Explain(err); e != err {
		return e
	}
	e := diag.Errorf(fmt.Sprintf("ask for the right to list secrets in namespace %s, where helm keeps its releases", r.Namespace),
		"releases in namespace %s cannot be looked up: %w", r.Namespace, err)
	e.Code = diag.CodeDeploy
	return e
}

func (d *Deployer) metadata() (metadata.Interface, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.meta == nil {
		client, err := metadata.NewForConfig(d.cluster.Config)
		if err != nil {
			return nil, fmt.Errorf("connect for releases: %w", err)
		}
		d.meta = client
	}
	return d.meta, nil
}
