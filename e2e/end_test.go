//go:build e2e

package e2e

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// objects is the names of what is in the namespace and could have come from a session.
func (p *project) objects() []string {
	p.Helper()
	ctx, c, all := p.Context(), world.cluster.client, metav1.ListOptions{}
	names := []string{}
	for _, pod := range p.pods() {
		names = append(names, "pod/"+pod.Name)
	}
	deployments, err := c.AppsV1().Deployments(p.namespace).List(ctx, all)
	if err != nil {
		p.Fatal(err)
	}
	for _, d := range deployments.Items {
		names = append(names, "deployment/"+d.Name)
	}
	maps, err := c.CoreV1().ConfigMaps(p.namespace).List(ctx, all)
	if err != nil {
		p.Fatal(err)
	}
	for _, m := range maps.Items {
		if m.Name != "kube-root-ca.crt" {
			names = append(names, "configmap/"+m.Name)
		}
	}
	secrets, err := c.CoreV1().Secrets(p.namespace).List(ctx, all)
	if err != nil {
		p.Fatal(err)
	}
	for _, s := range secrets.Items {
		if s.Type != corev1.SecretTypeServiceAccountToken {
			names = append(names, "secret/"+s.Name)
		}
	}
	slices.Sort(names)
	return names
}

// left waits until exactly these objects are left in the namespace.
func (p *project) left(want ...string) {
	p.Helper()
	var got []string
	if !wait(p.T, 15*time.Second, func() bool { got = p.objects(); return slices.Equal(got, want) }) {
		p.Errorf("what is left is %v, want %v", got, want)
	}
}

func TestCtrlCDeletesWhatTheSessionCreatedAndNothingElse(t *testing.T) {
	t.Parallel()
	p := box(t)
	ctx, maps := t.Context(), world.cluster.client.CoreV1().ConfigMaps(p.namespace)
	for _, name := range []string{"settings", "bystander"} {
		before := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name}, Data: map[string]string{"mode": "of before"}}
		if _, err := maps.Create(ctx, before, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	p.write("k8s/settings.yaml", settings)
	p.write("k8s/mine.yaml", strings.ReplaceAll(settings, "name: settings", "name: mine"))
	s := p.dev()
	if got := p.configMap("settings")["mode"]; got != "first" {
		t.Errorf("the project's own word for the object that was there is %q", got)
	}
	if p.configMap("mine") == nil {
		t.Error("the project's object is not there")
	}
	p.write("files/a.txt", "copied\n")
	p.holds(p.pod("web").Name, "/srv/files/a.txt", "copied\n")
	s.interrupt()
	p.left("configmap/bystander", "configmap/settings")
}

func TestWithoutCleanupEverythingStaysAndNothingOfSkiffRunsInTheContainer(t *testing.T) {
	t.Parallel()
	p := box(t)
	s := p.dev("--cleanup=false")
	pod := p.pod("web")
	p.write("files/a.txt", "copied\n")
	p.holds(pod.Name, "/srv/files/a.txt", "copied\n")
	s.interrupt()
	p.same(pod)
	p.holds(pod.Name, "/srv/files/a.txt", "copied\n")
	var left string
	if !wait(t, patience, func() bool { left = p.foreign(pod.Name); return left == "" }) {
		t.Errorf("processes of the session are left in the container:\n%s", left)
	}
}

// foreign is the processes in a box that are not its own.
func (p *project) foreign(pod string) string {
	p.Helper()
	out, err := p.in(pod, "ps", "-o", "pid,args")
	if err != nil {
		return err.Error()
	}
	var left []string
	for line := range strings.Lines(out) {
		own := strings.Contains(line, "trap 'exit 0' TERM") || strings.Contains(line, "sleep 1") ||
			strings.Contains(line, "ps -o") || strings.Contains(line, "PID")
		if !own {
			left = append(left, line)
		}
	}
	return strings.Join(left, "")
}

// deaf is a pod that does not listen to SIGTERM: its end takes the whole grace period, unless somebody is in a hurry.
const deaf = `apiVersion: v1
kind: Pod
metadata:
  name: deaf
spec:
  containers:
  - name: deaf
    image: box
    command: [sh, -c, "trap '' TERM; while :; do sleep 1; done"]
`

func TestCtrlCDoesNotWaitForAContainerThatDoesNotListen(t *testing.T) {
	t.Parallel()
	p := box(t)
	p.write("k8s/web.yaml", deaf)
	s := p.dev()
	s.interrupt()
	p.left()
}

func TestASecondCtrlCEndsAtOnce(t *testing.T) {
	t.Parallel()
	p := box(t)
	p.write("k8s/web.yaml", deaf)
	s := p.dev()
	press := func() {
		if err := s.cmd.Process.Signal(os.Interrupt); err != nil {
			t.Fatal(err)
		}
	}
	press()
	s.says(0, "Cleaning up...")
	// No finger is as fast as a wrapper that hands on what the terminal has sent already.
	wait(t, time.Second, func() bool { return false })
	press()
	within(t, 2*time.Second, "the session has ended", s.over)
	if s.code() != 130 {
		t.Errorf("the exit code is %d", s.code())
	}
}

func TestSIGTERMDuringTheBuildEndsInGoodOrder(t *testing.T) {
	t.Parallel()
	p := box(t)
	p.replace("Dockerfile", "COPY data.cfg .", "COPY data.cfg .\nRUN sleep 30")
	s := p.start("dev")
	s.matches(0, `RUN sleep 30`)
	s.interrupt()
	p.left()
}

func TestCtrlCWhileNothingBecomesReadyCleansUp(t *testing.T) {
	t.Parallel()
	p := box(t)
	p.replace("k8s/web.yaml", "image: box\n", `image: box
        readinessProbe:
          exec: {command: ["false"]}
`)
	s := p.start("dev")
	s.matches(0, `^\[web\] up`)
	s.interrupt()
	p.left()
}
