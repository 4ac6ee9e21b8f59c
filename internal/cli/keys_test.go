package cli

import (
	"context"
	"os"
	"testing"
)

func TestALineGoesToTheOneWhoHasAsked(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	k := enter(r)
	defer k.stop()
	say := func(text string) {
		t.Helper()
		if _, err := w.WriteString(text + "\n"); err != nil {
			t.Fatal(err)
		}
	}
	say("")
	<-k.lines
	answers := make(chan string)
	go func() {
		text, err := k.next(t.Context())
		if err != nil {
			text = err.Error()
		}
		answers <- text
	}()
	for asked := false; !asked; {
		k.mu.Lock()
		asked = k.answer != nil
		k.mu.Unlock()
	}
	say("yes")
	if got := <-answers; !yes(got) {
		t.Errorf("the answer is %q", got)
	}
	say("")
	<-k.lines
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := k.next(ctx); err == nil {
		t.Error("a question outlives its context")
	}
}
