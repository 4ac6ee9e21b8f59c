package main

import (
	"context"
	"os"
	"strings"
)

// openNetwork lets the host route for pods. Docker closes forwarding for all but its own networks, so ours is opened by name.
func openNetwork(ctx context.Context) (string, error) {
	forward := "/proc/sys/net/ipv4/ip_forward"
	if data, err := os.ReadFile(forward); err != nil || strings.TrimSpace(string(data)) != "1" {
		if err := os.WriteFile(forward, []byte("1\n"), 0o644); err != nil {
			return "", err
		}
	}
	for _, rule := range networkRules() {
		if _, err := output(ctx, "iptables", rule.args("-C")...); err == nil {
			continue
		}
		if _, err := output(ctx, "iptables", rule.args("-I")...); err != nil {
			return "", err
		}
	}
	return "", nil
}

// rule is one rule of the packet filter.
type rule struct {
	table, chain string
	match        []string
}

func networkRules() []rule {
	return []rule{
		{"filter", "FORWARD", []string{"-s", podRange, "-j", "ACCEPT"}},
		{"filter", "FORWARD", []string{"-d", podRange, "-j", "ACCEPT"}},
		{"nat", "POSTROUTING", []string{"-s", podRange, "!", "-d", podRange, "-j", "MASQUERADE"}},
	}
}

// args is the command line that checks (-C), inserts (-I) or deletes (-D) the rule.
func (r rule) args(verb string) []string {
	return append([]string{"-w", "-t", r.table, verb, r.chain, "-m", "comment", "--comment", contextName}, r.match...)
}

// closeNetwork takes back the rules of the packet filter.
func closeNetwork(ctx context.Context, kube string) error {
	for _, rule := range networkRules() {
		for {
			if _, err := output(ctx, "iptables", rule.args("-D")...); err != nil {
				break // there is none, or no more
			}
		}
	}
	if _, err := os.Stat(kube); err != nil {
		return nil
	}
	// It complains about modules that are not loaded, and has done its work all the same.
	_, _ = output(ctx, kube, "kube-proxy", "--cleanup")
	return ctx.Err()
}
