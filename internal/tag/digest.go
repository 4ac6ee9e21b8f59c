package tag

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"

	"github.com/skiff-dev/skiff/internal/config"
)

// inputDigest is a digest of what the image is made from, the same that Skaffold computes: MD5 per file, SHA-256 over the list.
type inputDigest struct{}

func (inputDigest) tag(ctx context.Context, p *pass, a *config.Artifact) (string, error) {
	if p.o.Files == nil {
		return "", errNoFiles
	}
	files, err := p.filesOf(ctx, a, map[string]bool{})
	if err != nil {
		return "", fmt.Errorf("inputDigest: %w", err)
	}
	slices.Sort(files)
	sums := []string{}
	for _, file := range slices.Compact(files) {
		sum, err := p.fileSum(a.Context, file)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return "", fmt.Errorf("inputDigest: %w", err)
		}
		sums = append(sums, sum)
	}
	h := sha256.New()
	if err := json.NewEncoder(h).Encode(sums); err != nil {
		return "", fmt.Errorf("inputDigest: %w", err)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// filesOf are the files of an artifact and of all that it requires.
func (p *pass) filesOf(ctx context.Context, a *config.Artifact, seen map[string]bool) ([]string, error) {
	if seen[a.Image] {
		return nil, nil
	}
	seen[a.Image] = true
	files, err := p.o.Files(ctx, a)
	if err != nil {
		return nil, err
	}
	for _, need := range a.Requires {
		other := p.byName[need.Image]
		if other == nil {
			continue
		}
		more, err := p.filesOf(ctx, other, seen)
		if err != nil {
			return nil, err
		}
		files = append(files, more...)
	}
	return files, nil
}

// fileSum is the digest of one file, by its path in the artifact's context and its content.
func (p *pass) fileSum(dir, file string) (string, error) {
	rel, err := filepath.Rel(dir, file)
	if err != nil {
		rel = file
	}
	return p.o.Index.MD5(file, rel)
}
