package balancer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os/exec"
	"strings"
)

// link is the network device that carries the addresses given out.
type link struct{ device string }

// sync puts every taken address on the link and takes off those of the range
// which nobody has any more.
func (l link) sync(ctx context.Context, pool *Pool) error {
	have, err := l.addresses(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for addr := range have {
		if _, taken := pool.Taken()[addr]; pool.Contains(addr) && !taken {
			errs = append(errs, l.change(ctx, "delete", addr))
		}
	}
	for addr := range pool.Taken() {
		if !have[addr] {
			errs = append(errs, l.change(ctx, "replace", addr))
		}
	}
	return errors.Join(errs...)
}

func (l link) change(ctx context.Context, verb string, addr netip.Addr) error {
	_, err := ip(ctx, "address", verb, addr.String()+"/32", "dev", l.device)
	return err
}

func (l link) addresses(ctx context.Context) (map[netip.Addr]bool, error) {
	out, err := ip(ctx, "-json", "-4", "address", "show", "dev", l.device)
	if err != nil {
		return nil, err
	}
	var devices []struct {
		Info []struct {
			Local netip.Addr `json:"local"`
		} `json:"addr_info"`
	}
	if err := json.Unmarshal(out, &devices); err != nil {
		return nil, fmt.Errorf("list addresses of %s: %w", l.device, err)
	}
	have := map[netip.Addr]bool{}
	for _, d := range devices {
		for _, info := range d.Info {
			have[info.Local] = true
		}
	}
	return have, nil
}

func ip(ctx context.Context, args ...string) ([]byte, error) {
	out, err := exec.CommandContext(ctx, "ip", args...).Output()
	if err != nil {
		text := ""
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			text = strings.TrimSpace(string(exit.Stderr))
		}
		return nil, fmt.Errorf("ip %s: %w: %s", strings.Join(args, " "), err, text)
	}
	return out, nil
}
