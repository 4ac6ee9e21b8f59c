package term

import (
	"bytes"
	"encoding/json"
	"io"
	"time"

	"github.com/skiff-dev/skiff/internal/diag"
	"github.com/skiff-dev/skiff/internal/event"
)

// JSON writes what comes from sub as one object per line until the bus is closed: "time" and "kind", the event's own fields,
// and "error" (a list of what, where and hint) where it failed. Durations are nanoseconds.
func JSON(sub *event.Subscription, w io.Writer) {
	for {
		batch, ok := sub.Next()
		if !ok {
			return
		}
		var buf bytes.Buffer
		for _, e := range batch {
			buf.Write(jsonLine(e))
		}
		if w != nil {
			if _, err := w.Write(buf.Bytes()); err != nil {
				w = nil
			}
		}
	}
}

func jsonLine(s event.Stamped) []byte {
	fields := map[string]any{}
	if raw, err := json.Marshal(s.Event); err == nil {
		// An event is a struct of plain fields: what was marshalled is an object.
		_ = json.Unmarshal(raw, &fields)
	}
	fields["time"] = s.Time.UTC().Format(time.RFC3339Nano)
	fields["kind"] = s.Event.Kind()
	if err := failureOf(s.Event); err != nil {
		fields["error"] = diag.All(err)
	}
	line, err := json.Marshal(fields)
	if err != nil {
		return nil
	}
	return append(line, '\n')
}

func failureOf(e event.Event) error {
	switch e := e.(type) {
	case event.StageEnded:
		return e.Err
	case event.BuildEnded:
		return e.Err
	case event.TaskEnded:
		return e.Err
	case event.Forward:
		return e.Err
	case event.Synced:
		return e.Err
	case event.Failed:
		return e.Err
	case event.Ended:
		return e.Err
	}
	return nil
}
