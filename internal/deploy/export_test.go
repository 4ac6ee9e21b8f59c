package deploy

import "github.com/skiff-dev/skiff/internal/event"

// SetSink lets a test hear one step of a session by itself.
func SetSink(d *Deployer, s event.Sink) { d.sink = s }
