package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// engine speaks to the Docker engine of this machine.
type engine struct{ client *http.Client }

func newEngine() *engine { return &engine{unixClient(engineSocket)} }

func (e *engine) call(ctx context.Context, method, path string, body io.Reader, kind string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://docker"+path, body)
	if err != nil {
		return nil, err
	}
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	return exchange(e.client, req)
}

// id is the engine's id of an image, "" when it has none of that name.
func (e *engine) id(ctx context.Context, name string) string {
	data, err := e.call(ctx, http.MethodGet, "/images/"+url.PathEscape(name)+"/json", nil, "")
	var image struct{ Id string }
	if err != nil || json.Unmarshal(data, &image) != nil {
		return ""
	}
	return image.Id
}

// pull fetches an image from a registry.
func (e *engine) pull(ctx context.Context, name, tag string) error {
	query := url.Values{"fromImage": {name}, "tag": {tag}}
	data, err := e.call(ctx, http.MethodPost, "/images/create?"+query.Encode(), nil, "")
	if err != nil {
		return err
	}
	return streamError(string(data))
}

// tag gives an image another name.
func (e *engine) tag(ctx context.Context, image, name, tag string) error {
	query := url.Values{"repo": {name}, "tag": {tag}}
	_, err := e.call(ctx, http.MethodPost, "/images/"+image+"/tag?"+query.Encode(), nil, "")
	return err
}

// streamError finds the error in an answer that began well: the engine has sent 200 by then.
func streamError(stream string) error {
	for line := range strings.Lines(stream) {
		var message struct{ Error string }
		if json.Unmarshal([]byte(line), &message) == nil && message.Error != "" {
			return &engineError{message.Error}
		}
	}
	return nil
}

type engineError struct{ text string }

func (e *engineError) Error() string { return "engine: " + e.text }
