//go:build e2e

package kubetest_test

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/skiff-dev/skiff/internal/kube"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestContractOfTheRealServer(t *testing.T) {
	c, err := kube.Connect(kube.Options{Getenv: os.Getenv, Context: os.Getenv("E2E_KUBECONTEXT")})
	if err != nil {
		t.Fatal(err)
	}
	namespaces := c.Typed.CoreV1().Namespaces()
	ns, err := namespaces.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "skiff-contract-"}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		_ = namespaces.Delete(ctx, ns.Name, metav1.DeleteOptions{})
	})
	c.Namespace = ns.Name
	contract(t, c)
}
