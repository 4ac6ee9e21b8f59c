package filesync

import (
	"context"
	"fmt"
)

// held is a road for images with tar and no shell: one tar waits for the next batch, and when it is used another takes its
// place behind it.
type held struct {
	host  host
	spawn func() // puts another tar behind the one that was used
	next  *process
	text  *tail
}

var _ road = (*held)(nil)

func newHeld(ctx context.Context, h host) *held {
	r := &held{host: h}
	r.spawn = func() {
		r.text = &tail{}
		r.next = h.start(ctx, r.text, r.text, "tar", "-xmpof", "-", "-C", "/")
	}
	r.spawn()
	return r
}

func (r *held) dead() <-chan struct{} { return r.next.dead }

func (r *held) close() { r.next.close() }

func (r *held) push(ctx context.Context, b batch) error {
	if err := r.host.remove(ctx, b.removals()); err != nil {
		return err
	}
	if len(b.tar) == 0 {
		return nil
	}
	p, text := r.next, r.text
	stop := p.watchdog(ctx, patience(b))
	defer stop()
	if _, err := p.stdin.Write(b.tar); err != nil {
		<-p.dead
		return r.failed(p, text)
	}
	p.stdin.Close()
	<-p.dead
	if p.err != nil {
		return r.failed(p, text)
	}
	// Not before the answer: the node would do the work for the next batch instead of that for this one.
	r.spawn()
	return nil
}

func (r *held) failed(p *process, text *tail) error {
	if _, ran := exitCode(p.err); ran {
		return refusal(r.host.target, text.String(), p.err)
	}
	return fmt.Errorf("%s: %w", r.host.target, p.failure())
}
