package deploy

import (
	"errors"
	"fmt"
	"strings"

	"github.com/skiff-dev/skiff/internal/diag"
	"github.com/skiff-dev/skiff/internal/kube"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// explain says what is wrong with an object, where in the manifests it stands, and what to do.
func (d *Deployer) explain(o *kube.Object, err error) error {
	var already *diag.Error
	if errors.As(err, &already) && already.Pos.File != "" {
		return err
	}
	if kube.IsUnreachable(err) || apierrors.IsUnauthorized(err) {
		return d.cluster.Explain(fmt.Errorf("apply %s: %w", o.ID(), err))
	}
	what, hint := d.reason(o, err)
	if already != nil && already.Hint != "" {
		hint = already.Hint
	}
	return &diag.Error{Pos: o.Pos(), What: o.ID().String() + ": " + what, Hint: hint, Code: diag.CodeDeploy, Err: err}
}

func (d *Deployer) reason(o *kube.Object, err error) (what, hint string) {
	namespace := o.GetNamespace()
	if namespace == "" {
		namespace = d.cluster.Namespace
	}
	text := message(err)
	switch {
	case meta.IsNoMatchError(err):
		return fmt.Sprintf("the cluster has no kind %q in %s", o.GetKind(), o.GetAPIVersion()),
			"correct apiVersion and kind, or install the CustomResourceDefinition first: kubectl api-resources"
	case apierrors.IsNotFound(err) && strings.Contains(text, "could not find the requested resource"):
		// The list of kinds is older than the cluster's change.
		d.cluster.Mapper.Reset()
		return fmt.Sprintf("the cluster no longer serves %q in %s", o.GetKind(), o.GetAPIVersion()), "correct apiVersion: kubectl api-resources"
	case apierrors.IsNotFound(err) && strings.Contains(text, "namespaces "):
		return fmt.Sprintf("namespace %q does not exist", namespace), "kubectl create namespace " + namespace
	case apierrors.IsForbidden(err) && strings.Contains(text, "exceeded quota"):
		return text, "kubectl describe quota -n " + namespace
	case apierrors.IsForbidden(err) && strings.Contains(text, "being terminated"):
		return text, "wait until it is gone, then try again: kubectl get namespace " + namespace
	case apierrors.IsForbidden(err) && strings.Contains(text, " cannot "):
		return text, "ask for the right, or choose another namespace with --namespace"
	case apierrors.IsConflict(err):
		return text, "leave the field out of the manifest, or let skiff own it: --force-conflicts"
	case immutable(err) && protected(o.ID()):
		return text, "it holds data, so skiff does not replace it; write the old value into the manifest, or delete it yourself"
	case immutable(err) && d.options.Force && o.GetKind() == "StatefulSet":
		return text, "its claims would be deleted with it (whenDeleted: Delete), so skiff does not replace it; set whenDeleted: Retain first, or delete it yourself"
	case immutable(err):
		return text, "delete the object and make it again with --force"
	case apierrors.IsInvalid(err), apierrors.IsBadRequest(err):
		return text, "correct the manifest: kubectl explain " + strings.ToLower(o.GetKind()) + ".spec"
	}
	return text, ""
}

// message is the server's words, without the parts that the manifest's place says already.
func message(err error) string {
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		return err.Error()
	}
	s := status.Status()
	if s.Details == nil || s.Reason != metav1.StatusReasonInvalid || len(s.Details.Causes) == 0 {
		return s.Message
	}
	var causes []string
	for _, c := range s.Details.Causes {
		text := c.Message
		if c.Field != "" && c.Field != "<nil>" {
			text = c.Field + ": " + text
		}
		causes = append(causes, firstLine(text))
	}
	return strings.Join(causes, "; ")
}

// firstLine drops the dump of both objects that the server puts behind a refused change of a pod.
func firstLine(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	return s
}
