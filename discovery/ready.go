package discovery

import (
	"errors"
	"fmt"
)

// ready is nil once gateways are told of something, or there is a first view, and a zone
// where names are answered: until then names that exist would fail.
// Where gateways are served there must be a certificate that they accept, too, so that
// they are led to a replica that has one.
func (a *Agent) ready() error {
	if !a.loop.begun.Load() && a.loop.State() == nil {
		return errors.New("members are still being listed")
	}
	if a.serving != nil {
		if _, err := a.serving.Certificate(); err != nil {
			return fmt.Errorf("no gateway can connect: %w", err)
		}
	}
	if a.answers != nil {
		return a.answers.server.Ready()
	}
	return nil
}
