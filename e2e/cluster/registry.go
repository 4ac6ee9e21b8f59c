package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
)

const (
	manifestType = "application/vnd.docker.distribution.manifest.v2+json"
	configType   = "application/vnd.docker.container.image.v1+json"
	layerType    = "application/vnd.docker.image.rootfs.diff.tar.gzip"
)

// manifest is the image's manifest, as registries hold it.
func (i built) manifest() ([]byte, error) {
	var layers []object
	for _, b := range i.layers {
		layers = append(layers, object{"mediaType": layerType, "digest": b.Digest, "size": b.Size})
	}
	return json.Marshal(object{
		"schemaVersion": 2, "mediaType": manifestType,
		"config": object{"mediaType": configType, "digest": i.id(), "size": len(i.config)}, "layers": layers,
	})
}

// registry speaks to the local registry.
type registry struct{ base string }

// push puts an image under one name there and says whether it was missing.
func (r registry) push(ctx context.Context, image built, name string) (bool, error) {
	manifest, err := image.manifest()
	if err != nil {
		return false, err
	}
	repo, tag := repository(name)
	res, err := r.send(ctx, http.MethodHead, "/v2/"+repo+"/manifests/"+tag, nil, 0, "")
	if err == nil && res.Header.Get("Docker-Content-Digest") == sha256Of(manifest) {
		return false, nil
	}
	for _, b := range image.layers {
		if err := r.blob(ctx, repo, b.Digest, b.Size, func() (io.ReadCloser, error) { return os.Open(b.File) }); err != nil {
			return false, err
		}
	}
	config := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(image.config)), nil }
	if err := r.blob(ctx, repo, image.id(), int64(len(image.config)), config); err != nil {
		return false, err
	}
	_, err = r.send(ctx, http.MethodPut, "/v2/"+repo+"/manifests/"+tag, bytes.NewReader(manifest), int64(len(manifest)), manifestType)
	return true, err
}

// blob uploads content that the repository does not have.
func (r registry) blob(ctx context.Context, repo, digest string, size int64, open func() (io.ReadCloser, error)) error {
	if _, err := r.send(ctx, http.MethodHead, "/v2/"+repo+"/blobs/"+digest, nil, 0, ""); err == nil {
		return nil
	}
	res, err := r.send(ctx, http.MethodPost, "/v2/"+repo+"/blobs/uploads/", nil, 0, "")
	if err != nil {
		return err
	}
	place, err := res.Location()
	if err != nil {
		return fmt.Errorf("registry gave no place for an upload: %w", err)
	}
	content, err := open()
	if err != nil {
		return err
	}
	defer content.Close()
	query := place.Query()
	query.Set("digest", digest)
	target := url.URL{Path: place.Path, RawQuery: query.Encode()}
	_, err = r.send(ctx, http.MethodPut, target.String(), content, size, "application/octet-stream")
	return err
}

func (r registry) send(ctx context.Context, method, path string, body io.Reader, size int64, kind string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, r.base+path, body)
	if err != nil {
		return nil, err
	}
	req.ContentLength = size
	req.Header.Set("Accept", manifestType)
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if res.StatusCode >= 300 {
		text, _ := io.ReadAll(io.LimitReader(res.Body, 500))
		return nil, fmt.Errorf("registry: %s %s: %s: %s", method, path, res.Status, text)
	}
	return res, nil
}
