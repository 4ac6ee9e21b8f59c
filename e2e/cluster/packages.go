package main

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
)

// packages are those of Debian that the cluster is made of, and a redis for tests that run one as a process. kubectl is not among
// them: nothing here needs it.
var packages = []string{
	"ca-certificates", "containerd", "runc", "containernetworking-plugins", "iptables", "conntrack", "iproute2", "mount",
	"docker-registry", "docker.io", "debootstrap", "busybox-static", "redis-server",
}

// installPackages installs those that are missing.
func (c *cluster) installPackages(ctx context.Context) (string, error) {
	missing, err := missingPackages(ctx)
	if err != nil {
		return "", err
	}
	if len(missing) == 0 {
		return "all there", nil
	}
	env := append(baseEnv(c.getenv), "DEBIAN_FRONTEND=noninteractive")
	patience := "-oDPkg::Lock::Timeout=300" // a fresh machine may just run its own first update
	if err := c.logged(ctx, "apt-update", env, c.home, "apt-get", patience, "-q", "update"); err != nil {
		return "", err
	}
	allow, err := forbidServices(policyFile)
	if err != nil {
		return "", err
	}
	args := append([]string{patience, "-q", "-y", "--no-install-recommends", "install"}, missing...)
	err = errors.Join(c.logged(ctx, "apt-install", env, c.home, "apt-get", args...), allow())
	if err != nil {
		return "", err
	}
	return "installed " + strings.Join(missing, " "), disableServices(ctx, missing)
}

func missingPackages(ctx context.Context) ([]string, error) {
	// The exit code only says that one of them is unknown.
	out, err := output(ctx, "dpkg-query", append([]string{"-W", "-f=${Package} ${db:Status-Status}\n"}, packages...)...)
	if err != nil && ctx.Err() != nil {
		return nil, err
	}
	return missingIn(out, packages), nil
}

// missingIn reads lines of "package status".
func missingIn(listing string, wanted []string) []string {
	lines := strings.Split(listing, "\n")
	return slices.DeleteFunc(slices.Clone(wanted), func(name string) bool {
		return slices.Contains(lines, name+" installed")
	})
}

const (
	policyFile = "/usr/sbin/policy-rc.d"
	policy     = "#!/bin/sh\n# Written by skiff's e2e/cluster while it installs packages.\nexit 101\n"
)

// forbidServices keeps Debian from starting what it installs: the registry would take port 5000, which tutorials forward, and
// this cluster starts an engine of its own. A policy that the machine has is left as it is.
func forbidServices(file string) (allow func() error, err error) {
	old, err := os.ReadFile(file)
	if err == nil && string(old) != policy {
		return func() error { return nil }, nil
	}
	if err := os.WriteFile(file, []byte(policy), 0o755); err != nil {
		return nil, err
	}
	return func() error { return os.Remove(file) }, nil
}

// disableServices keeps Debian's own registry and redis from starting with the machine, where this run brought them.
func disableServices(ctx context.Context, installed []string) error {
	if _, err := os.Stat("/run/systemd/system"); err != nil {
		return nil
	}
	var failed error
	for _, name := range []string{"docker-registry", "redis-server"} {
		if slices.Contains(installed, name) {
			_, err := output(ctx, "systemctl", "disable", name+".service")
			failed = errors.Join(failed, err)
		}
	}
	return failed
}
