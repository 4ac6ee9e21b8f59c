package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/muesli/cancelreader"
	"golang.org/x/term"

	"github.com/skiff-dev/skiff/internal/deploy"
	"github.com/skiff-dev/skiff/internal/diag"
	"github.com/skiff-dev/skiff/internal/event"
	"github.com/skiff-dev/skiff/internal/kube"
)

// confirm shows what a deploy would change, and asks whether it may. Once that was answered with yes, the session asks no more.
func (s *session) confirm(ctx context.Context, objects []*kube.Object) error {
	if s.confirmed {
		return nil
	}
	// A deployer of its own, for what is planned is not what was done.
	changes, err := deploy.New(s.cluster, s.applyOptions(s.project), s.bus).Plan(ctx, objects)
	if err != nil {
		return diag.WithCode(diag.CodeDeploy, err)
	}
	counts := map[string]int{}
	for _, c := range changes {
		counts[c.Action]++
		s.bus.Send(event.Planned{Object: c.ID.String(), Namespace: c.ID.Namespace, Action: c.Action, Diff: c.Diff})
	}
	if err := deploy.Refused(changes); err != nil {
		return diag.WithCode(diag.CodeDeploy, err)
	}
	if len(changes) == 0 {
		s.bus.Send(event.Note{Text: "Plan: nothing changes."})
		s.confirmed = true
		return nil
	}
	s.bus.Send(event.Note{Text: fmt.Sprintf("Plan: %d to create, %d to change, %d to replace, %d to delete.",
		counts["create"], counts["change"], counts["replace"], counts["delete"])})
	if s.assumeYes {
		s.confirmed = true
		return nil
	}
	s.confirmed, err = s.ask(ctx)
	if err == nil && !s.confirmed {
		err = &diag.Error{What: "nothing was deployed: the plan was not accepted", Hint: "answer with y, or pass --assume-yes", Code: diag.CodeDeploy}
	}
	return err
}

// ask puts the question to the person at the terminal; where there is none, nobody has said yes.
func (s *session) ask(ctx context.Context) (bool, error) {
	file, ok := s.In.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		return false, &diag.Error{What: "nothing was deployed: --plan asks, and standard input is no terminal", Hint: "pass --assume-yes to deploy what the plan shows", Code: diag.CodeDeploy}
	}
	s.bus.Send(event.Note{Text: "Deploy this? [y/N]"})
	if s.keys != nil {
		line, err := s.keys.next(ctx)
		return yes(line), err
	}
	reader, err := cancelreader.NewReader(file)
	if err != nil {
		return false, fmt.Errorf("read the answer: %w", err)
	}
	defer reader.Close()
	defer context.AfterFunc(ctx, func() { reader.Cancel() })()
	line, err := bufio.NewReader(reader).ReadString('\n')
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	if err != nil && line == "" {
		return false, errors.Join(errors.New("read the answer"), err)
	}
	return yes(line), nil
}

func yes(line string) bool {
	answer := strings.ToLower(strings.TrimSpace(line))
	return answer == "y" || answer == "yes"
}
