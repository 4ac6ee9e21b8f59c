package image

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// Manifest is one image of a registry, as bytes.
type Manifest struct {
	Repository string // host/name
	Digest     string
	MediaType  string
	Raw        []byte
	Config     []byte
}

// Blob is bytes that a registry is to have.
type Blob struct {
	Digest string
	Size   int64
	Open   func() (io.ReadCloser, error)
}

// BlobOf is a blob of bytes that are at hand.
func BlobOf(digest string, data []byte) Blob {
	return Blob{Digest: digest, Size: int64(len(data)), Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil }}
}

// Fetch reads manifest and configuration of an image; of one for several platforms that for platform.
func (r *Registry) Fetch(ctx context.Context, ref string, platform v1.Platform) (*Manifest, error) {
	parsed, err := r.parse(ref)
	if err != nil {
		return nil, err
	}
	pull, _, err := r.clients()
	if err != nil {
		return nil, err
	}
	desc, err := pull.Get(ctx, parsed)
	if err != nil {
		return nil, fmt.Errorf("look up %s: %w", ref, err)
	}
	if desc.MediaType.IsIndex() {
		if desc, err = child(ctx, pull, parsed, desc, platform); err != nil {
			return nil, fmt.Errorf("look up %s: %w", ref, err)
		}
	}
	if !desc.MediaType.IsImage() {
		return nil, fmt.Errorf("look up %s: %s is no image", ref, desc.MediaType)
	}
	m := &Manifest{Repository: parsed.Context().Name(), Digest: desc.Digest.String(), MediaType: string(desc.MediaType), Raw: desc.Manifest}
	img, err := desc.Image()
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", ref, err)
	}
	if m.Config, err = img.RawConfigFile(); err != nil {
		return nil, fmt.Errorf("read the configuration of %s: %w", ref, err)
	}
	return m, nil
}

// child is the manifest for a platform in an index.
func child(ctx context.Context, pull *remote.Puller, ref name.Reference, desc *remote.Descriptor, platform v1.Platform) (*remote.Descriptor, error) {
	index, err := v1.ParseIndexManifest(bytes.NewReader(desc.Manifest))
	if err != nil {
		return nil, err
	}
	for _, m := range index.Manifests {
		if m.Platform != nil && m.Platform.Satisfies(platform) && m.MediaType.IsImage() {
			return pull.Get(ctx, ref.Context().Digest(m.Digest.String()))
		}
	}
	return nil, fmt.Errorf("it has no image for %s", platform)
}

// Layer opens a blob of a repository as it is stored.
func (r *Registry) Layer(ctx context.Context, repository, digest string) (io.ReadCloser, error) {
	ref, err := name.NewDigest(repository+"@"+digest, r.nameOptions(repository)...)
	if err != nil {
		return nil, err
	}
	pull, _, err := r.clients()
	if err != nil {
		return nil, err
	}
	layer, err := pull.Layer(ctx, ref)
	if err != nil {
		return nil, fmt.Errorf("look up %s: %w", ref, err)
	}
	rc, err := layer.Compressed()
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", ref, err)
	}
	return rc, nil
}

// link is a connection to a repository that may be written to.
type link struct {
	client *http.Client
	repo   name.Repository
	creds  authn.Authenticator
}

// link is made once for a repository: it keeps the token.
func (r *Registry) link(ctx context.Context, repository string) (*link, error) {
	r.mu.Lock()
	known := r.links[repository]
	r.mu.Unlock()
	if known != nil {
		return known, nil
	}
	repo, err := name.NewRepository(repository, r.nameOptions(repository)...)
	if err != nil {
		return nil, fmt.Errorf("image %q: %w", repository, err)
	}
	auth := authn.Anonymous
	if r.creds != nil {
		if auth, err = (keychain{r.creds}).Resolve(repo); err != nil {
			return nil, err
		}
	}
	base := remote.DefaultTransport
	// The token outlives the build that asks for it first.
	t, err := transport.NewWithContext(context.WithoutCancel(ctx), repo.Registry, auth, base, []string{repo.Scope(transport.PushScope)})
	if err != nil {
		return nil, fmt.Errorf("reach %s: %w", repo.Registry, err)
	}
	l := &link{client: &http.Client{Transport: t}, repo: repo, creds: auth}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.links == nil {
		r.links = map[string]*link{}
	}
	r.links[repository] = l
	return l, nil
}

func (l *link) url(path string, query url.Values) string {
	u := url.URL{Scheme: l.repo.Registry.Scheme(), Host: l.repo.RegistryStr(), Path: "/v2/" + l.repo.RepositoryStr() + path, RawQuery: query.Encode()}
	return u.String()
}

// do sends a request and wants one of the codes.
func (l *link) do(ctx context.Context, method, target string, body io.Reader, size int64, kind string, codes ...int) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, target, body)
	if err != nil {
		return nil, err
	}
	if body != nil {
		req.ContentLength = size
	}
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	req.Header.Set("User-Agent", "skiff")
	resp, err := l.client.Do(req)
	if err != nil {
		return nil, err
	}
	if err := transport.CheckError(resp, codes...); err != nil {
		resp.Body.Close()
		return nil, err
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<20)) // so that the connection can be used again
	return resp, resp.Body.Close()
}

// Has asks whether a repository has a blob.
func (r *Registry) Has(ctx context.Context, repository, digest string) (bool, error) {
	l, err := r.link(ctx, repository)
	if err != nil {
		return false, err
	}
	resp, err := l.do(ctx, http.MethodHead, l.url("/blobs/"+digest, nil), nil, 0, "", http.StatusOK, http.StatusNotFound)
	if err != nil {
		return false, err
	}
	return resp.StatusCode == http.StatusOK, nil
}

// Mount asks a registry to take a blob over from another of its repositories; false: it has to be sent.
func (r *Registry) Mount(ctx context.Context, repository, from, digest string) (bool, error) {
	l, err := r.link(ctx, repository)
	if err != nil {
		return false, err
	}
	source, err := name.NewRepository(from, r.nameOptions(from)...)
	if err != nil || source.RegistryStr() != l.repo.RegistryStr() {
		return false, err
	}
	query := url.Values{"mount": {digest}, "from": {source.RepositoryStr()}}
	resp, err := l.do(ctx, http.MethodPost, l.url("/blobs/uploads/", query), http.NoBody, 0, "", http.StatusCreated, http.StatusAccepted)
	if err != nil {
		return false, err
	}
	if resp.StatusCode == http.StatusCreated {
		return true, nil
	}
	if at, err := resp.Location(); err == nil {
		// The upload that it began instead is not wanted.
		_, _ = l.do(ctx, http.MethodDelete, at.String(), nil, 0, "", http.StatusNoContent, http.StatusOK, http.StatusAccepted)
	}
	return false, nil
}

// Upload is one that was begun: its blob may be sent without asking first.
type Upload struct {
	link *link
	at   *url.URL
}

// Begin asks a registry for an upload, before the blob is known.
func (r *Registry) Begin(ctx context.Context, repository string) (*Upload, error) {
	l, err := r.link(ctx, repository)
	if err != nil {
		return nil, err
	}
	resp, err := l.do(ctx, http.MethodPost, l.url("/blobs/uploads/", nil), http.NoBody, 0, "", http.StatusAccepted, http.StatusCreated)
	if err != nil {
		return nil, fmt.Errorf("upload to %s: %w", repository, err)
	}
	at, err := resp.Location()
	if err != nil {
		return nil, fmt.Errorf("upload to %s: %w", repository, err)
	}
	return &Upload{l, at}, nil
}

// Cancel ends an upload that is not wanted; what the registry does not hear it forgets by itself, later.
func (u *Upload) Cancel(ctx context.Context) {
	_, _ = u.link.do(ctx, http.MethodDelete, u.at.String(), nil, 0, "", http.StatusNoContent, http.StatusOK, http.StatusAccepted)
}

// Send uploads a blob, in one piece.
func (u *Upload) Send(ctx context.Context, b Blob) error {
	at := *u.at
	query := at.Query()
	query.Set("digest", b.Digest)
	at.RawQuery = query.Encode()
	body, err := b.Open()
	if err != nil {
		return err
	}
	defer body.Close()
	if _, err := u.link.do(ctx, http.MethodPut, at.String(), body, b.Size, "application/octet-stream", http.StatusCreated, http.StatusNoContent); err != nil {
		return fmt.Errorf("upload to %s: %w", u.link.repo, err)
	}
	return nil
}

// Send uploads a blob.
func (r *Registry) Send(ctx context.Context, repository string, b Blob) error {
	u, err := r.Begin(ctx, repository)
	if err != nil {
		return err
	}
	return u.Send(ctx, b)
}

// PutManifest names what was uploaded by ref's tag.
func (r *Registry) PutManifest(ctx context.Context, ref, mediaType string, raw []byte) error {
	tag, err := name.NewTag(ref, r.nameOptions(ref)...)
	if err != nil {
		return fmt.Errorf("image %q: %w", ref, err)
	}
	l, err := r.link(ctx, tag.Context().Name())
	if err != nil {
		return err
	}
	_, err = l.do(ctx, http.MethodPut, l.url("/manifests/"+tag.TagStr(), nil), bytes.NewReader(raw), int64(len(raw)), mediaType,
		http.StatusCreated, http.StatusOK, http.StatusAccepted)
	if err != nil {
		return fmt.Errorf("tag %s: %w", ref, err)
	}
	return nil
}

// Unknown says whether a registry's answer means that something is not there.
func Unknown(err error) bool {
	var failed *transport.Error
	return errors.As(err, &failed) && failed.StatusCode == http.StatusNotFound
}

// Layers are the descriptors in a manifest, the configuration first.
func (m *Manifest) Layers() ([]v1.Descriptor, error) {
	var parsed struct {
		Config v1.Descriptor   `json:"config"`
		Layers []v1.Descriptor `json:"layers"`
	}
	if err := json.Unmarshal(m.Raw, &parsed); err != nil {
		return nil, fmt.Errorf("manifest of %s: %w", m.Repository, err)
	}
	return append([]v1.Descriptor{parsed.Config}, parsed.Layers...), nil
}

// IsDocker is whether a media type is one of Docker's own, not of OCI.
func IsDocker(mediaType string) bool { return strings.Contains(mediaType, "vnd.docker.") }

// Sum is the digest of bytes as registries write it.
func Sum(data []byte) string {
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:])
}
