package helm

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/skiff-dev/skiff/internal/diag"
)

// explain says what became of a release when helm's library fails, and what to do.
func (d *Deployer) explain(ctx context.Context, r Release, what string, before int, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if e := d.cluster.Explain(err); e != err {
		return e
	}
	text := strings.Join(strings.Fields(err.Error()), " ")
	hint := "correct the chart or its values, and run again"
	switch {
	case strings.Contains(text, "rolled back due to"):
		hint = fmt.Sprintf("the release is as it was before (revision %d); correct the chart or its values, and run again", before)
	case strings.Contains(text, "uninstalled due to"):
		hint = "nothing of it is left; correct the chart or its values, and run again"
	case strings.Contains(text, "namespaces") && strings.Contains(text, "not found"):
		hint = fmt.Sprintf("set createNamespace: true in the release, or make namespace %s", r.Namespace)
	case strings.Contains(text, "invalid ownership metadata"), strings.Contains(text, "cannot be imported into the current release"):
		hint = `delete the object, or let the release take it over with "--take-ownership" under flags`
	case what == "upgrade" && before > 0:
		hint = fmt.Sprintf("the state before is kept as revision %d: correct the chart and run again, or go back with: helm rollback %s %d -n %s", before, r.Name, before, r.Namespace)
	case what == "uninstall":
		hint = fmt.Sprintf("look at it with: helm status %s -n %s", r.Name, r.Namespace)
	}
	var known *diag.Error
	if errors.As(err, &known) && known.Hint != "" && known.Code == diag.CodeReady {
		hint = known.Hint + "; " + hint
	}
	e := diag.Errorf(hint, "release %s: %s failed: %s", r.Name, what, text)
	e.Code, e.Err = diag.CodeDeploy, err
	return e
}

// pending is about a release that somebody else works on, or of whom nobody knows whether he still does.
func (d *Deployer) pending(r Release, revision int, left time.Duration) error {
	hint := fmt.Sprintf("wait for the other one to end; if there is none, skiff takes the release over in %s, or go back now with: helm rollback %s -n %s", left.Round(time.Second), r.Name, r.Namespace)
	if revision <= 1 {
		hint = fmt.Sprintf("wait for the other one to end; if there is none, skiff takes the release over in %s, or remove it now with: helm uninstall %s -n %s", left.Round(time.Second), r.Name, r.Namespace)
	}
	e := diag.Errorf(hint, "release %s: another operation on it has not ended", r.Name)
	e.Code = diag.CodeDeploy
	return e
}
