package filesync

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	exitNoTar  = 91
	exitNoHead = 92
)

// loop takes batch after batch from stdin. A batch is lines "r<path>" to remove, "x" to do so, and "t<size>" before an
// archive of that size; the answer is a line with tar's exit code. The line that arms the loop is sent ahead, so that tar
// is already running when a batch comes. What is no such line, such as the rest of an archive after tar gave up, ends
// the loop: nothing in a file is ever taken for an order, for it cannot know the token. read takes byte by byte, as POSIX
// wants, and BusyBox's head, which reads ahead, finds nothing to read ahead to, because the next line waits for the answer. The shell's own stderr stays
// open: containerd takes the end of any output for the end of stdin as well.
const loop = `
command -v tar >/dev/null 2>&1 || exit 91
command -v head >/dev/null 2>&1 && command -v rm >/dev/null 2>&1 || exit 92
echo "$0 ready"
while read -r token id; do
  [ "$token" = "$0" ] || exit 93
  { {
    set --
    bad=
    while IFS= read -r line; do
      case $line in
      r*) set -- "$@" "${line#r}" ;;
      x) rm -rf -- "$@" || bad=1; set -- ;;
      t*) if [ "$bad" ]; then head -c "${line#t}" >/dev/null; echo bad; else head -c "${line#t}"; fi; break ;;
      *) break ;;
      esac
    done
  } | tar -xmpof - -C /; } 2>&1
  code=$?
  echo "$0 $id $code"
  [ "$code" = 0 ] || exit 1
done
`

// stream is a road over one shell that stays.
type stream struct {
	*process
	host  host
	token string
	id    int
	out   *answers
}

var _ road = (*stream)(nil)

// openLimit is how long a container may take to start a command. A node under load needs seconds.
const openLimit = 15 * time.Second

func openStream(ctx context.Context, h host) (*stream, error) {
	token := "skiff-" + rand.Text()
	s := &stream{host: h, token: token, out: &answers{token: token, lines: make(chan answer, 4)}}
	s.process = h.start(ctx, s.out, nil, "sh", "-c", loop, token)
	stop := s.watchdog(ctx, openLimit)
	defer stop()
	select {
	case <-s.process.dead:
		return nil, s.failure()
	case <-s.out.lines:
	}
	if err := s.arm(); err != nil {
		<-s.process.dead
		return nil, s.failure()
	}
	return s, nil
}

// arm has the loop start the next tar.
func (s *stream) arm() error {
	s.id++
	_, err := fmt.Fprintf(s.stdin, "%s %d\n", s.token, s.id)
	return err
}

func (s *stream) dead() <-chan struct{} { return s.process.dead }

func (s *stream) push(ctx context.Context, b batch) error {
	stop := s.watchdog(ctx, patience(b))
	defer stop()
	removals, odd := split(b.removals())
	if len(odd) > 0 {
		if err := s.host.remove(ctx, odd); err != nil {
			return err
		}
	}
	// A write fails when the loop has ended; its answer, if there is one, says more.
	_, _ = s.stdin.Write(message(removals, b.tar))
	if err := s.acknowledged(); err != nil {
		return err
	}
	// An error here shows as the end of the process.
	_ = s.arm()
	return nil
}

func (s *stream) acknowledged() error {
	var a answer
	select {
	case a = <-s.out.lines:
	case <-s.process.dead:
		select {
		case a = <-s.out.lines:
		default:
			return fmt.Errorf("%s: %w", s.host.target, s.failure())
		}
	}
	if a.id != s.id || a.code != 0 {
		return refusal(s.host.target, a.text, fmt.Errorf("tar exited with %d", a.code))
	}
	return nil
}

// split sets apart the names that no line can hold.
func split(paths []string) (lines, odd []string) {
	for _, p := range paths {
		if strings.ContainsAny(p, "\n\x00") {
			odd = append(odd, p)
			continue
		}
		lines = append(lines, p)
	}
	return lines, odd
}

// nothing is an archive without files.
var nothing = make([]byte, 1024)

// message is a batch in one piece, so that it leaves in one write.
func message(removals []string, archive []byte) []byte {
	var m bytes.Buffer
	for i, p := range removals {
		m.WriteString("r" + p + "\n")
		if (i+1)%removeAtOnce == 0 {
			m.WriteString("x\n")
		}
	}
	if len(removals)%removeAtOnce != 0 {
		m.WriteString("x\n")
	}
	if len(archive) == 0 {
		archive = nothing
	}
	fmt.Fprintf(&m, "t%d\n", len(archive))
	m.Write(archive)
	return m.Bytes()
}

// answer is one line of the loop; text is what tar and rm wrote before it.
type answer struct {
	id, code int
	text     string
}

// answers finds the loop's lines in what the shell writes.
type answers struct {
	token string
	lines chan answer

	mu   sync.Mutex
	part []byte
	text tail
}

var errFlood = errors.New("more answers than questions")

// Write takes output as it comes, in any portions.
func (a *answers) Write(p []byte) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.part = append(a.part, p...)
	for {
		line, rest, ok := bytes.Cut(a.part, []byte("\n"))
		if !ok {
			break
		}
		if err := a.line(string(line)); err != nil {
			return 0, err
		}
		a.part = rest
	}
	if len(a.part) > tailSize {
		a.text.Write(a.part)
		a.part = nil
	}
	return len(p), nil
}

func (a *answers) line(line string) error {
	fields := strings.Fields(line)
	if len(fields) < 2 || fields[0] != a.token {
		a.text.Write([]byte(line + "\n"))
		return nil
	}
	got := answer{text: a.text.String()}
	a.text = tail{}
	got.id, _ = strconv.Atoi(fields[1])
	if len(fields) > 2 {
		got.code, _ = strconv.Atoi(fields[2])
	}
	select {
	case a.lines <- got:
		return nil
	default:
		return errFlood
	}
}
