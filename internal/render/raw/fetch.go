package raw

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/skiff-dev/skiff/internal/diag"
)

const (
	fetchTimeout = 30 * time.Second
	fetchLimit   = 64 << 20
)

// fetch downloads a manifest.
func fetch(ctx context.Context, address string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, unfetched(address, err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, unfetched(address, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, unfetched(address, fmt.Errorf("the server answers %s", resp.Status))
	}
	data, err := io.ReadAll(io.LimitReader(resp.Body, fetchLimit))
	if err != nil {
		return nil, unfetched(address, err)
	}
	return data, nil
}

// unfetched leaves out what an address may hold of a password or a signature.
func unfetched(address string, err error) error {
	shown := address
	if u, perr := url.Parse(address); perr == nil {
		u.RawQuery = ""
		shown = u.Redacted()
	}
	if u, ok := err.(*url.Error); ok {
		err = u.Err
	}
	e := diag.Errorf("check the address under manifests.rawYaml, or download the file and name it there", "manifest %s cannot be fetched: %w", shown, err)
	e.Code = diag.CodeDeploy
	return e
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
