package main

import (
	"context"
	"errors"
)

// status says which parts run and whether they are ready.
func status(ctx context.Context, c *cluster) error {
	etcd, apiserver, controllers, scheduler := c.controlPlane("")
	runtime, kubelet, proxy, dns := c.nodeParts("")
	down := 0
	for _, p := range []part{etcd, apiserver, controllers, scheduler, runtime, kubelet, proxy, dns, c.registryPart(), c.enginePart()} {
		mine, err := c.processes(p.name)
		if err != nil {
			return err
		}
		leader, ours := leaderOf(mine)
		err = p.ready(ctx)
		switch {
		case err == nil && ours:
			c.tell.say("%-24s runs, pid %d", p.name, leader.pid)
		case err == nil && p.name == "dockerd":
			c.tell.say("%-24s runs, not started by this cluster", p.name)
		default:
			c.tell.say("%-24s does not run", p.name)
			down++
		}
	}
	if down > 0 {
		return errors.New("the cluster is not up; make cluster starts it")
	}
	return nil
}
