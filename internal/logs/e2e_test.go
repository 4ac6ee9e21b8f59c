//go:build e2e

package logs

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/skiff-dev/skiff/internal/kube"
)

func TestE2ETenThousandLinesAcrossRestarts(t *testing.T) {
	c, err := kube.Connect(kube.Options{Getenv: os.Getenv})
	if err != nil {
		t.Fatal(err)
	}
	ns, err := c.Typed.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "logs-"}}, metav1.CreateOptions{})
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() {
		c.Typed.CoreV1().Namespaces().Delete(context.Background(), ns.Name, metav1.DeleteOptions{})
	})
	h := &heard{}
	tl := New(c, Options{Since: time.Now()}, h)
	tl.choose(ours{})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 2)
	go func() { done <- tl.Run(ctx) }()
	go func() { done <- c.WatchPods(ctx, []string{ns.Name}, tl.Pod) }()

	// Each life writes 5,000 lines to the volume's count; the first ends in the middle of a burst, the third waits.
	const script = `n=$(cat /state/n 2>/dev/null || echo 0); end=$((n + 5000))
while [ $n -lt $end ]; do echo "line $n"; n=$((n+1)); done
echo $n >/state/n
if [ $n -ge 10000 ]; then head -c 100000 /dev/zero | tr '\0' x; echo; echo "the end"; sleep 1000000; fi
exit 3`
	zero := int64(0)
	_, err = c.Typed.CoreV1().Pods(ns.Name).Create(t.Context(), &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "count"},
		Spec: corev1.PodSpec{
			TerminationGracePeriodSeconds: &zero,
			Volumes:                       []corev1.Volume{{Name: "state", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}},
			Containers: []corev1.Container{{
				Name: "main", Image: "localhost:5005/library/busybox", Command: []string{"sh", "-c", script},
				VolumeMounts: []corev1.VolumeMount{{Name: "state", MountPath: "/state"}},
			}},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(90 * time.Second); time.Now().Before(end); <-tick.C {
		if got = h.all(); len(got) > 0 && got[len(got)-1] == "the end" {
			break
		}
	}
	start := time.Now()
	cancel()
	for range 2 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if took := time.Since(start); took > 500*time.Millisecond {
		t.Errorf("the end took %s", took)
	}
	want := make([]string, 10_000)
	for i := range want {
		want[i] = fmt.Sprint("line ", i)
	}
	var long int
	var lines []string
	for _, l := range got {
		if strings.HasPrefix(l, "xxx") {
			long += len(l)
			continue
		}
		lines = append(lines, l)
	}
	if diff := cmp.Diff(append(want, "the end"), lines); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
	if long != 100_000 {
		t.Errorf("the long line has %d bytes", long)
	}
}
