package facts

import "context"

// Istiods reads only what each replica of istiod says of its remote clusters.
func (r Reader) Istiods(ctx context.Context) ([]Istiod, error) {
	var c Cluster
	err := r.readIstiods(ctx, &c)
	return c.Istiods, err
}
