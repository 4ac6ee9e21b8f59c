package image

import "context"

// Key is the digest of everything that decides about an image: what it is called, how it is built, the images it starts from and
// those it requires, and the name, mode and contents of each of its files.
func (c *Cache) Key(ctx context.Context, b Builder, r Request) (string, error) {
	inv, err := c.Inventory(ctx, b, r)
	if err != nil {
		return "", err
	}
	return inv.Key()
}
