package term

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/skiff-dev/skiff/internal/event"
)

const (
	// mutedTail is how many lines of a muted build are shown when it fails.
	mutedTail = 100
	// failedTail is how many lines of a failed build are shown again when all have ended.
	failedTail = 20
)

// builds is what the builds of one pass print.
type builds struct {
	output map[string][]string // by image: the last lines
	failed []string            // images, in the order of their failures
	last   string              // the image whose line was printed last
	buried map[string]bool     // images whose lines have others below
	tagged int                 // how many images the pass makes
	live   []string            // images that have a line of their own now
	drawn  int                 // how many of those stand on the terminal
}

func newBuilds() builds { return builds{output: map[string][]string{}, buried: map[string]bool{}} }

func (p *printer) buildStarted(at time.Time, e event.BuildStarted) {
	if p.Width > 0 && p.builds.tagged > 1 && !p.muted("build") {
		p.builds.live = append(p.builds.live, e.Image)
	}
	if e.Cause == "" {
		p.line(at, green, "Building [%s] with %s...", e.Image, e.Builder)
		return
	}
	p.line(at, green, "Building [%s] with %s (%s)...", e.Image, e.Builder, e.Cause)
}

func (p *printer) buildOutput(at time.Time, e event.BuildOutput) {
	lines := append(p.builds.output[e.Image], e.Line)
	p.builds.output[e.Image] = lines[max(0, len(lines)-mutedTail):]
	if p.muted("build") || p.Quiet || slices.Contains(p.builds.live, e.Image) {
		p.builds.buried[e.Image] = true
		return
	}
	if p.builds.last != e.Image {
		p.builds.buried[p.builds.last] = true
	}
	p.builds.last = e.Image
	p.line(at, gray, "  [%s] %s", e.Image, e.Line)
}

func (p *printer) buildEnded(at time.Time, e event.BuildEnded) {
	if at := slices.Index(p.builds.live, e.Image); at >= 0 {
		p.builds.live = slices.Delete(p.builds.live, at, at+1)
	}
	lines := p.builds.output[e.Image]
	if e.Err == nil || errors.Is(e.Err, context.Canceled) {
		delete(p.builds.output, e.Image)
	}
	switch {
	case errors.Is(e.Err, context.Canceled):
		p.line(at, yellow, "Build of [%s] stopped after %s", e.Image, took(e.Took))
	case e.Err != nil:
		p.builds.failed = append(p.builds.failed, e.Image)
		if p.muted("build") {
			p.tail(at, e.Image, lines)
			delete(p.builds.output, e.Image) // they were shown, and all of them
		}
		p.line(at, red, "Build of [%s] failed after %s", e.Image, took(e.Took))
	case e.Cached != "":
		p.line(at, green, "Found [%s] in the %s: %s (%s)", e.Image, e.Cached, e.Ref, took(e.Took))
	default:
		p.built(at, e)
	}
}

func (p *printer) built(at time.Time, e event.BuildEnded) {
	verb := "Built"
	if e.Pushed {
		verb = "Built and pushed"
	}
	how := e.How
	if rest, ok := strings.CutPrefix(how, "assembled: "); ok {
		how, verb = rest, strings.Replace(verb, "Built", "Assembled", 1)
	}
	if how != "" {
		how += ", "
	}
	p.line(at, green, "%s [%s]: %s (%s%s)", verb, e.Image, e.Ref, how, took(e.Took))
}

// buildsEnded shows the last lines of the builds that failed once more, where others were printed since.
func (p *printer) buildsEnded(at time.Time) {
	for _, image := range p.builds.failed {
		lines := p.builds.output[image]
		if len(lines) == 0 || !p.builds.buried[image] {
			continue
		}
		shown := lines[max(0, len(lines)-failedTail):]
		if len(shown) < len(lines) {
			p.line(at, red, "The last %d lines of the build of [%s]:", len(shown), image)
		} else {
			p.line(at, red, "The build of [%s] printed:", image)
		}
		p.tail(at, image, shown)
	}
	p.builds = newBuilds()
}

func (p *printer) tail(at time.Time, image string, lines []string) {
	for _, l := range lines {
		p.line(at, gray, "  [%s] %s", image, l)
	}
}

// lift takes the live lines off the terminal, so that other lines come above them.
func (p *printer) lift() {
	if p.builds.drawn > 0 {
		fmt.Fprintf(&p.buf, "\x1b[%dA\x1b[J", p.builds.drawn)
	}
	p.builds.drawn = 0
}

// draw puts one line per running build below all others.
func (p *printer) draw() {
	for _, image := range p.builds.live {
		text := "  [" + image + "]"
		if lines := p.builds.output[image]; len(lines) > 0 {
			text += " " + printable(lines[len(lines)-1])
		}
		p.buf.WriteString(cut(text, p.Width-1) + "\n")
	}
	p.builds.drawn = len(p.builds.live)
}

// printable is a line without what would move the cursor.
func printable(line string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == utf8.RuneError {
			return -1
		}
		return r
	}, line)
}

// cut is as much of a line as fits.
func cut(text string, width int) string {
	if runes := []rune(text); len(runes) > width && width > 1 {
		return string(runes[:width-1]) + "…"
	}
	return text
}

// telling says whether an event is shown even when only the result is asked for.
func telling(e event.Event) bool {
	switch e := e.(type) {
	case event.Note:
		return e.Warn
	case event.BuildOutput:
		return true
	case event.StageEnded:
		return e.Stage == event.Build
	case event.BuildEnded:
		return e.Err != nil
	}
	return false
}
