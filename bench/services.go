package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// measureServices runs a project of many services, all compiled before, and takes the time until each has answered. What the same
// programs take when they are just started is measured beside it, by turns; the rest is skiff's own work.
func measureServices(ctx context.Context, l *lab) (Result, error) {
	const count = 20
	r := Result{How: fmt.Sprintf("%d services with an image, a probe and a Service each; %d sessions, by turns with the programs alone; clock: the wall", count, l.rounds), Samples: map[string][]float64{}}
	f, err := newFleet(ctx, l, count)
	if err != nil {
		return r, err
	}
	for range l.rounds + 1 { // the first fills the caches and does not count
		took, resident, err := f.session(ctx, l)
		if err != nil {
			return r, fmt.Errorf("start the services: %w", err)
		}
		r.Samples["services"] = append(r.Samples["services"], took)
		r.Samples["memory"] = append(r.Samples["memory"], resident)
		if took, err = f.plain(ctx); err != nil {
			return r, fmt.Errorf("start the programs alone: %w", err)
		}
		r.Samples["programs"] = append(r.Samples["programs"], took)
		r.Samples["own work"] = append(r.Samples["own work"], r.Samples["services"][len(r.Samples["services"])-1]-took)
	}
	r.Rows = append(r.Rows,
		row("services", "start of 20 to the last first answer, p50", "ms", median(r.Samples["services"][1:])),
		row("services", "the programs alone, p50", "ms", median(r.Samples["programs"][1:])),
		row("services", servicesOwn, "ms", median(r.Samples["own work"][1:])),
		row("services", "resident memory of skiff, p50", "MB", median(r.Samples["memory"][1:])),
	)
	return r, nil
}

const servicesOwn = "the difference: skiff's own work, p50"

// fleet is a project of many small services. Each has an artifact, a Deployment with a probe and a Service of its own.
type fleet struct {
	dir   string
	ports []int
}

const (
	fleetImage    = "- {image: service%d, context: service%d}\n"
	fleetManifest = `apiVersion: apps/v1
kind: Deployment
metadata: {name: service%[1]d}
spec:
  selector: {matchLabels: {app: service%[1]d}}
  template:
    metadata: {labels: {app: service%[1]d}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: service%[1]d
        image: service%[1]d
        env: [{name: PORT, value: "%[2]d"}, {name: NEXT_URL, value: "http://service%[3]d"}]
        ports: [{name: http, containerPort: %[2]d}]
        readinessProbe: {httpGet: {path: /healthz, port: http}, periodSeconds: 1}
---
apiVersion: v1
kind: Service
metadata: {name: service%[1]d}
spec:
  selector: {app: service%[1]d}
  ports: [{port: 80, targetPort: http}]
`
)

// newFleet compiles the server of examples/hello once and makes a service of every copy.
func newFleet(ctx context.Context, l *lab, count int) (*fleet, error) {
	f := &fleet{dir: filepath.Join(l.tmp, "services")}
	server := filepath.Join(f.dir, "server")
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", server, ".")
	build.Dir, build.Env = filepath.Join(l.root, "examples", "hello"), append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("go build: %w: %s", err, out)
	}
	program, err := os.ReadFile(server)
	if err != nil {
		return nil, err
	}
	project := "apiVersion: skaffold/v4beta13\nkind: Config\nbuild:\n  artifacts:\n"
	for i := range count {
		port, err := freePort()
		if err != nil {
			return nil, err
		}
		f.ports = append(f.ports, port)
		project += "  " + fmt.Sprintf(fleetImage, i, i)
		dir := f.service(i)
		err = errors.Join(os.MkdirAll(dir, 0o755),
			os.WriteFile(filepath.Join(dir, "server"), program, 0o755),
			os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte("FROM scratch\nWORKDIR /app\nCOPY server ./\nENTRYPOINT [\"/app/server\"]\n"), 0o644),
			os.WriteFile(filepath.Join(dir, "k8s.yaml"), fmt.Appendf(nil, fleetManifest, i, port, (i+1)%count), 0o644))
		if err != nil {
			return nil, err
		}
	}
	project += "manifests: {rawYaml: [\"*/k8s.yaml\"]}\n"
	return f, os.WriteFile(filepath.Join(f.dir, "skaffold.yaml"), []byte(project), 0o644)
}

func freePort() (int, error) {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	return listener.Addr().(*net.TCPAddr).Port, listener.Close()
}

func (f *fleet) service(i int) string { return filepath.Join(f.dir, "service"+strconv.Itoa(i)) }

// session is one skiff from its start until every service has answered; then its memory is read.
func (f *fleet) session(ctx context.Context, l *lab) (took, resident float64, err error) {
	begin := time.Now()
	var said strings.Builder
	cmd := exec.Command(l.skiff, "dev", "--target=local")
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = f.dir, l.environ(), &said, &said
	if err := cmd.Start(); err != nil {
		return 0, 0, err
	}
	err = f.answer(ctx)
	took = milliseconds(time.Since(begin))
	if err == nil {
		err = wait(ctx, time.Second)
	}
	bytes, unread := status(cmd.Process.Pid, "VmRSS")
	_ = cmd.Process.Signal(syscall.SIGTERM)
	if err = errors.Join(err, unread, cmd.Wait()); err != nil {
		err = fmt.Errorf("%w; skiff said: %s", err, said.String())
	}
	return took, float64(bytes) / 1e6, err
}

// plain starts the same programs without skiff.
func (f *fleet) plain(ctx context.Context) (float64, error) {
	begin := time.Now()
	var all []*exec.Cmd
	defer func() {
		for _, cmd := range all {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
	}()
	for i, port := range f.ports {
		cmd := exec.Command(filepath.Join(f.service(i), "server"))
		cmd.Dir, cmd.Env = f.service(i), append(os.Environ(), "PORT="+strconv.Itoa(port))
		if err := cmd.Start(); err != nil {
			return 0, err
		}
		all = append(all, cmd)
	}
	err := f.answer(ctx)
	return milliseconds(time.Since(begin)), err
}

// answer waits until every service has answered.
func (f *fleet) answer(ctx context.Context) error {
	for _, port := range f.ports {
		if err := (&hello{port: port}).until(ctx, "/healthz", "ok"); err != nil {
			return err
		}
	}
	return nil
}
