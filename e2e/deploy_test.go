//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	authv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// sleeper is a Deployment of one pod that only sleeps.
func sleeper(name string) string {
	return strings.ReplaceAll(`
apiVersion: apps/v1
kind: Deployment
metadata: {name: NAME}
spec:
  selector: {matchLabels: {app: NAME}}
  template:
    metadata: {labels: {app: NAME}}
    spec:
      terminationGracePeriodSeconds: 0
      containers:
      - {name: box, image: busybox, imagePullPolicy: IfNotPresent, command: [sleep, "100000"], resources: {requests: {cpu: 1m, memory: 1Mi}}}
`, "NAME", name)
}

func configMap(name, value string) string {
	return fmt.Sprintf("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s}\ndata: {a: %q}\n", name, value)
}

// lives is uid and restarts of every pod.
func (p *project) lives() map[string]int32 {
	p.Helper()
	all := map[string]int32{}
	for _, pod := range p.pods() {
		restarts := int32(0)
		for _, s := range pod.Status.ContainerStatuses {
			restarts += s.RestartCount
		}
		all[string(pod.UID)] = restarts
	}
	return all
}

// configMaps is those that somebody made.
func (p *project) configMaps() []string {
	p.Helper()
	list, err := world.cluster.client.CoreV1().ConfigMaps(p.namespace).List(p.Context(), metav1.ListOptions{})
	if err != nil {
		p.Fatal(err)
	}
	var names []string
	for _, m := range list.Items {
		if m.Name != "kube-root-ca.crt" && m.DeletionTimestamp == nil {
			names = append(names, regexp.MustCompile(`^(skiff-[a-z]+)-[0-9a-f]{10}$`).ReplaceAllString(m.Name, "$1"))
		}
	}
	slices.Sort(names)
	return names
}

func (p *project) wants(want ...string) {
	p.Helper()
	if diff := cmp.Diff(want, p.configMaps()); diff != "" {
		p.Errorf("ConfigMaps (-want +got):\n%s", diff)
	}
}

func TestAnUnchangedDeployWritesNothingAndRestartsNoPod(t *testing.T) {
	t.Parallel()
	x := newProxy(t)
	p := manifests(t, map[string]string{"a.yaml": sleeper("a"), "b.yaml": sleeper("b"), "settings.yaml": configMap("settings", "1")}).through(x)
	p.must("run")
	if len(x.writes()) < 4 {
		t.Fatal("the proxy did not see what was written, so nothing is tested")
	}
	before := p.lives()
	for _, command := range []string{"run", "deploy"} {
		p.must(command)
		if got := x.writes(); len(got) > 0 {
			t.Errorf("%s wrote %v", command, got)
		}
		if diff := cmp.Diff(before, p.lives()); diff != "" {
			t.Errorf("pods and their restarts (-before +after):\n%s", diff)
		}
	}
	p.write("k8s/settings.yaml", configMap("settings", "2"))
	p.must("run")
	if got := x.writes(); len(got) != 1 || !strings.HasSuffix(got[0], "/configmaps/settings") {
		t.Errorf("one changed object wrote %v", got)
	}
}

func TestPruneTakesWhatIsOursAndNothingElse(t *testing.T) {
	t.Parallel()
	p := manifests(t, map[string]string{"a.yaml": configMap("a", "1"), "b.yaml": configMap("b", "1"), "web.yaml": sleeper("web")})
	claim := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Name: "data"}, Spec: corev1.PersistentVolumeClaimSpec{
		AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
		Resources:   corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Mi")}},
	}}
	client := world.cluster.client.CoreV1()
	if _, err := client.PersistentVolumeClaims(p.namespace).Create(t.Context(), claim, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := client.ConfigMaps(p.namespace).Create(t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "mine"}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	p.write("k8s/data.yaml", "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: data, labels: {seen: by-skiff}}\n")
	p.must("run")
	p.wants("a", "b", "mine", "skiff-plain")
	p.remove("k8s/b.yaml")
	p.remove("k8s/data.yaml")
	p.write("k8s/web.yaml", sleeper("renamed"))
	p.must("run")
	p.wants("a", "mine", "skiff-plain")
	if _, err := client.PersistentVolumeClaims(p.namespace).Get(t.Context(), "data", metav1.GetOptions{}); err != nil {
		t.Errorf("the claim that was there before: %v", err)
	}
	apps := world.cluster.client.AppsV1().Deployments(p.namespace)
	if _, err := apps.Get(t.Context(), "web", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("the Deployment under its old name: %v", err)
	}
	if _, err := apps.Get(t.Context(), "renamed", metav1.GetOptions{}); err != nil {
		t.Errorf("the Deployment under its new name: %v", err)
	}
	dry := p.must("delete", "--dry-run")
	if !strings.Contains(dry.stdout, "ConfigMap/a would be deleted") {
		t.Error("the dry run does not say what would be deleted")
	}
	p.wants("a", "mine", "skiff-plain")
	p.must("delete")
	p.wants("mine")
}

func TestTwoPeopleInOneNamespaceDoNotPruneEachOther(t *testing.T) {
	t.Parallel()
	ann := manifests(t, map[string]string{"a.yaml": configMap("anns", "1"), "old.yaml": configMap("anns-old", "1")})
	bob := *ann
	bob.dir = t.TempDir()
	bob.write("skaffold.yaml", ann.read("skaffold.yaml"))
	bob.write("k8s/b.yaml", configMap("bobs", "1"))
	ann.must("run")
	bob.must("run")
	ann.remove("k8s/old.yaml")
	ann.must("run")
	ann.wants("anns", "bobs", "skiff-plain", "skiff-plain")
	bob.must("delete")
	ann.wants("anns", "skiff-plain")
}

func TestAnImmutableFieldIsSaidAndForceMakesTheObjectAgain(t *testing.T) {
	t.Parallel()
	claim := "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: data}\nspec: {accessModes: [%s], resources: {requests: {storage: 1Mi}}}\n"
	p := manifests(t, map[string]string{"web.yaml": sleeper("web"), "data.yaml": fmt.Sprintf(claim, "ReadWriteOnce")})
	p.must("run")
	p.write("k8s/web.yaml", strings.ReplaceAll(sleeper("web"), "app: web", "app: new"))
	r := p.skiff("run")
	if r.code != 1 || !strings.Contains(r.stderr, "k8s/web.yaml:2") || !strings.Contains(r.stderr, "immutable") || !strings.Contains(r.stderr, "--force") {
		t.Error("the error does not say what is immutable, where, and what to do")
	}
	p.must("run", "--force")
	p.write("k8s/data.yaml", fmt.Sprintf(claim, "ReadWriteMany"))
	before, err := world.cluster.client.CoreV1().PersistentVolumeClaims(p.namespace).Get(t.Context(), "data", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if r := p.skiff("run", "--force"); r.code != 1 || !strings.Contains(r.stderr, "it holds data") {
		t.Error("a changed claim is no error that says why")
	}
	after, err := world.cluster.client.CoreV1().PersistentVolumeClaims(p.namespace).Get(t.Context(), "data", metav1.GetOptions{})
	if err != nil || after.UID != before.UID {
		t.Errorf("the claim was made again (%v)", err)
	}
}

func TestWhatAdmissionRefusesIsSaidInItsWords(t *testing.T) {
	t.Parallel()
	p := manifests(t, map[string]string{"web.yaml": sleeper("web"), "settings.yaml": configMap("settings", "forbidden")})
	p.policy("configmaps", "!has(object.data) || !('a' in object.data) || object.data.a != 'forbidden'", "this word is not allowed here")
	r := p.skiff("run")
	if r.code != 1 || !strings.Contains(r.stderr, "this word is not allowed here") || !strings.Contains(r.stderr, "ConfigMap/settings") {
		t.Error("the error does not have the policy's words")
	}
	p.write("k8s/settings.yaml", configMap("settings", "allowed"))
	p.must("run")
}

// policy refuses objects of the project's namespace, and waits until it does.
func (p *project) policy(resources, rule, message string) {
	p.Helper()
	ctx, client := p.Context(), world.cluster.client.AdmissionregistrationV1()
	fail := admissionv1.Fail
	here := &metav1.LabelSelector{MatchLabels: map[string]string{"kubernetes.io/metadata.name": p.namespace}}
	_, err := client.ValidatingAdmissionPolicies().Create(ctx, &admissionv1.ValidatingAdmissionPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: p.namespace},
		Spec: admissionv1.ValidatingAdmissionPolicySpec{
			FailurePolicy: &fail, Validations: []admissionv1.Validation{{Expression: rule, Message: message}},
			MatchConstraints: &admissionv1.MatchResources{NamespaceSelector: here, ResourceRules: []admissionv1.NamedRuleWithOperations{{
				RuleWithOperations: admissionv1.RuleWithOperations{
					Operations: []admissionv1.OperationType{admissionv1.Create, admissionv1.Update},
					Rule:       admissionv1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{resources}},
				},
			}}},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		missing(p.T, "no admission policies: "+err.Error())
	}
	p.Cleanup(func() {
		// The test's own context is over by now.
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		_ = client.ValidatingAdmissionPolicyBindings().Delete(ctx, p.namespace, metav1.DeleteOptions{})
		_ = client.ValidatingAdmissionPolicies().Delete(ctx, p.namespace, metav1.DeleteOptions{})
	})
	_, err = client.ValidatingAdmissionPolicyBindings().Create(ctx, &admissionv1.ValidatingAdmissionPolicyBinding{
		ObjectMeta: metav1.ObjectMeta{Name: p.namespace},
		Spec: admissionv1.ValidatingAdmissionPolicyBindingSpec{
			PolicyName: p.namespace, ValidationActions: []admissionv1.ValidationAction{admissionv1.Deny},
			MatchResources: &admissionv1.MatchResources{NamespaceSelector: here},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		p.Fatal(err)
	}
	until(p.T, "the policy refuses", func() bool {
		_, err := world.cluster.client.CoreV1().ConfigMaps(p.namespace).Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "try"},
			Data: map[string]string{"a": "forbidden"}}, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		return err != nil
	})
}

func TestAQuotaIsTheCauseOfADeploymentWithoutPods(t *testing.T) {
	t.Parallel()
	p := manifests(t, map[string]string{"web.yaml": sleeper("web")})
	_, err := world.cluster.client.CoreV1().ResourceQuotas(p.namespace).Create(t.Context(), &corev1.ResourceQuota{
		ObjectMeta: metav1.ObjectMeta{Name: "small"}, Spec: corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{corev1.ResourcePods: resource.MustParse("0")}},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	r := p.skiff("run")
	if r.code != 1 || !strings.Contains(r.stderr, "exceeded quota: small") || !strings.Contains(r.stderr, "kubectl describe quota") {
		t.Error("the error does not name the quota")
	}
}

func TestAMissingNamespaceIsSaid(t *testing.T) {
	t.Parallel()
	p := manifests(t, map[string]string{"settings.yaml": configMap("settings", "1")})
	p.flags = append(p.flags, "--namespace="+p.namespace+"-not")
	r := p.skiff("run")
	if r.code != 1 || !strings.Contains(r.stderr, `namespace "`+p.namespace+`-not" does not exist`) || !strings.Contains(r.stderr, "kubectl create namespace") {
		t.Error("the error does not name the namespace, or what to do")
	}
}

func TestRightsInOneNamespaceSuffice(t *testing.T) {
	t.Parallel()
	p := manifests(t, map[string]string{"web.yaml": sleeper("web"), "settings.yaml": configMap("settings", "1")})
	p.asGuest()
	r := p.must("run", "--verbosity=debug")
	for _, line := range strings.Split(r.stdout, "\n") {
		verb, rest, _ := strings.Cut(line, " ")
		if verb == strings.ToUpper(verb) && strings.HasPrefix(rest, "/api") && strings.Contains(rest, " 403 ") && !strings.Contains(rest, "/namespaces/kube-public/") && !strings.HasPrefix(rest, "/api/v1/nodes?") {
			// Where there is a right to it, the registry that the cluster announces and the platforms of its nodes are used.
			t.Errorf("it was refused, so it should not have asked: %s", line)
		}
	}
	p.remove("k8s/settings.yaml")
	p.must("run")
	p.wants("skiff-plain")
	p.must("delete")
	p.wants()
}

// asGuest makes the project's commands use an account that may do everything in the project's namespace and nothing elsewhere.
func (p *project) asGuest() {
	p.Helper()
	ctx, core, rbac := p.Context(), world.cluster.client.CoreV1(), world.cluster.client.RbacV1()
	if _, err := core.ServiceAccounts(p.namespace).Create(ctx, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "guest"}}, metav1.CreateOptions{}); err != nil {
		p.Fatal(err)
	}
	all := []rbacv1.PolicyRule{{APIGroups: []string{"*"}, Resources: []string{"*"}, Verbs: []string{"*"}}}
	if _, err := rbac.Roles(p.namespace).Create(ctx, &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Name: "guest"}, Rules: all}, metav1.CreateOptions{}); err != nil {
		p.Fatal(err)
	}
	binding := &rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Name: "guest"}, RoleRef: rbacv1.RoleRef{Kind: "Role", Name: "guest"},
		Subjects: []rbacv1.Subject{{Kind: "ServiceAccount", Name: "guest", Namespace: p.namespace}}}
	if _, err := rbac.RoleBindings(p.namespace).Create(ctx, binding, metav1.CreateOptions{}); err != nil {
		p.Fatal(err)
	}
	token, err := core.ServiceAccounts(p.namespace).CreateToken(ctx, "guest", &authv1.TokenRequest{}, metav1.CreateOptions{})
	if err != nil {
		p.Fatal(err)
	}
	authority := world.cluster.config.CAFile
	if data := world.cluster.config.CAData; len(data) > 0 {
		authority = p.TempDir() + "/ca.crt"
		if err := os.WriteFile(authority, data, 0o600); err != nil {
			p.Fatal(err)
		}
	}
	file := p.TempDir() + "/kubeconfig"
	text := fmt.Sprintf(`{apiVersion: v1, kind: Config, current-context: guest, users: [{name: guest, user: {token: %q}}],
contexts: [{name: guest, context: {cluster: it, user: guest}}], clusters: [{name: it, cluster: {server: %q, certificate-authority: %q}}]}`, token.Status.Token, world.cluster.config.Host, authority)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		p.Fatal(err)
	}
	p.flags = []string{"--namespace=" + p.namespace}
	p.env = append(p.env, "KUBECONFIG="+file, "XDG_CACHE_HOME="+p.TempDir())
}

func TestAnAutoscalerKeepsItsNumberAndAPersonDoesNot(t *testing.T) {
	t.Parallel()
	p := manifests(t, map[string]string{"web.yaml": strings.Replace(sleeper("web"), "spec:\n  selector", "spec:\n  replicas: 1\n  selector", 1)})
	p.must("run")
	apps := world.cluster.client.AppsV1().Deployments(p.namespace)
	scaleTo := func(n int, manager string) {
		t.Helper()
		_, err := apps.Patch(t.Context(), "web", types.MergePatchType, fmt.Appendf(nil, `{"spec":{"replicas":%d}}`, n), metav1.PatchOptions{FieldManager: manager}, "scale")
		if err != nil {
			t.Fatal(err)
		}
	}
	replicas := func() int32 {
		t.Helper()
		d, err := apps.Get(t.Context(), "web", metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return *d.Spec.Replicas
	}
	scaleTo(2, "kubectl")
	if r := p.skiff("run", "--force-conflicts=false"); r.code != 1 || !strings.Contains(r.stderr, `conflict with "kubectl"`) || replicas() != 2 {
		t.Error("a conflict that must not be forced is no error that names the manager")
	}
	if r := p.must("run"); !strings.Contains(r.stdout, `.spec.replicas was set by "kubectl"`) || replicas() != 1 {
		t.Errorf("what a person set by hand is not as the manifest says, or it is not told; replicas are %d", replicas())
	}
	scaleTo(2, "kube-controller-manager")
	p.must("run")
	p.replace("k8s/web.yaml", `"100000"`, `"200000"`)
	p.must("run")
	if replicas() != 2 {
		t.Errorf("the autoscaler's number became %d", replicas())
	}
}

func TestAppliedFilesAreNotPrunedAndNeedNoProject(t *testing.T) {
	t.Parallel()
	p := manifests(t, map[string]string{"a.yaml": configMap("a", "1")})
	p.remove("skaffold.yaml")
	p.write("b/b.yaml", configMap("b", "1"))
	p.must("apply", "k8s/a.yaml")
	p.must("apply", "b")
	p.wants("a", "b")
	if again := p.must("apply", "b/b.yaml"); !strings.Contains(again.stdout, "ConfigMap/b unchanged") {
		t.Error("the second time is not without effect")
	}
	if r := p.skiff("apply"); r.code != 1 {
		t.Errorf("without files the exit code is %d", r.code)
	}
}

func TestAPlanIsShownAndNothingHappensWithoutATerminal(t *testing.T) {
	t.Parallel()
	p := manifests(t, map[string]string{"a.yaml": configMap("a", "1"),
		"s.yaml": "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {password: hunter2}\n"})
	r := p.skiff("run", "--plan")
	if r.code != 1 || !strings.Contains(r.stdout, "create ConfigMap/a") || !strings.Contains(r.stderr, "standard input is no terminal") || strings.Contains(r.stdout+r.stderr, "hunter2") || strings.Contains(r.stdout, "aHVudGVyMg") {
		t.Error("the plan is not as it should be")
	}
	p.wants()
	p.must("run", "--plan", "--assume-yes")
	p.wants("a", "skiff-plain")
	p.write("k8s/a.yaml", configMap("a", "2"))
	changed := p.skiff("run", "--plan")
	if !strings.Contains(changed.stdout, `-   a: "1"`) || !strings.Contains(changed.stdout, `+   a: "2"`) || !strings.Contains(changed.stdout, "0 to create, 1 to change") {
		t.Error("the diff is not as it should be")
	}
}

func TestAModuleRunsBeforeTheOneThatRequiresIt(t *testing.T) {
	t.Parallel()
	x := newProxy(t)
	p := manifests(t, nil).through(x)
	p.write("skaffold.yaml", "apiVersion: skaffold/v4beta13\nkind: Config\nmetadata: {name: app}\nrequires: [{path: db}]\nmanifests: {rawYaml: [app.yaml]}\n")
	p.write("app.yaml", configMap("app", "1"))
	p.write("db/skaffold.yaml", "apiVersion: skaffold/v4beta13\nkind: Config\nmetadata: {name: db}\nmanifests: {rawYaml: [db.yaml]}\n")
	p.write("db/db.yaml", sleeper("db"))
	p.must("run")
	order := strings.Join(x.requests(), "\n")
	if waited, app := strings.Index(order, "GET /api/v1/namespaces/"+p.namespace+"/pods"), strings.Index(order, "PATCH /api/v1/namespaces/"+p.namespace+"/configmaps/app"); waited < 0 || app < waited {
		t.Errorf("the app was sent before its database was waited for:\n%s", order)
	}
}
