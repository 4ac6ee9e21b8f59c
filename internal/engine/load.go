package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/moby/moby/client"
)

// Load takes in the images of a tar stream as "docker save" writes it.
func (e *Engine) Load(ctx context.Context, tar io.Reader) error {
	res, err := e.client.ImageLoad(ctx, tar, client.ImageLoadWithQuiet(true))
	if err != nil {
		return e.unreachable(ctx, fmt.Errorf("load the image into the engine: %w", err))
	}
	defer res.Close()
	for lines := json.NewDecoder(res); ; {
		var said struct {
			Error string `json:"error"`
		}
		err := lines.Decode(&said)
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return e.unreachable(ctx, fmt.Errorf("load the image into the engine: %w", err))
		case said.Error != "":
			return fmt.Errorf("load the image into the engine: %s", said.Error)
		}
	}
}

// API is the client of the engine's API, for libraries that speak it by themselves.
func (e *Engine) API() *client.Client { return e.client }
