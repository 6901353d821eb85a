package discovery

import (
	"context"
	"errors"
	"maps"
	"net"
	"slices"
	"sync"
)

// owned are the connections of one replica to the own cluster, so that it can be cut
// off alone.
type owned struct {
	replica *replica

	// mu guards what follows, and whether the replica is isolated.
	mu  sync.Mutex
	all map[net.Conn]struct{}
	// thawed is closed when what stands still goes on; nil where nothing does.
	thawed chan struct{}
}

func newOwned(r *replica) *owned { return &owned{replica: r, all: map[net.Conn]struct{}{}} }

func (o *owned) dial(ctx context.Context, network, address string) (net.Conn, error) {
	o.mu.Lock()
	refused := o.replica.isolated && o.thawed == nil
	o.mu.Unlock()
	if refused {
		return nil, errors.New("no route to host")
	}
	dialled, err := o.replica.world.own.api.Dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	conn := &freezing{Conn: dialled, owner: o, closed: make(chan struct{})}
	o.mu.Lock()
	o.all[conn] = struct{}{}
	o.mu.Unlock()
	return conn, nil
}

// freezing is a connection that can stand still: what is written waits, and so does what
// comes in. Neither is lost.
type freezing struct {
	net.Conn
	owner  *owned
	once   sync.Once
	closed chan struct{}
}

func (f *freezing) Write(content []byte) (int, error) {
	if err := f.wait(); err != nil {
		return 0, err
	}
	return f.Conn.Write(content)
}

func (f *freezing) Read(into []byte) (int, error) {
	count, err := f.Conn.Read(into)
	if closed := f.wait(); closed != nil {
		return 0, closed
	}
	return count, err
}

func (f *freezing) wait() error {
	f.owner.mu.Lock()
	thawed := f.owner.thawed
	f.owner.mu.Unlock()
	if thawed == nil {
		return nil
	}
	select {
	case <-thawed:
		return nil
	case <-f.closed:
		return net.ErrClosed
	}
}

func (f *freezing) Close() error {
	f.once.Do(func() { close(f.closed) })
	f.owner.mu.Lock()
	delete(f.owner.all, f)
	f.owner.mu.Unlock()
	return f.Conn.Close()
}

// isolate cuts a replica off from the own cluster.
func (r *replica) isolate() {
	r.conns.mu.Lock()
	r.isolated = true
	all := slices.Collect(maps.Keys(r.conns.all))
	r.conns.mu.Unlock()
	for _, conn := range all {
		_ = conn.Close()
	}
}

// stall has everything between a replica and the own cluster stand still.
func (r *replica) stall() {
	r.conns.mu.Lock()
	defer r.conns.mu.Unlock()
	r.isolated, r.conns.thawed = true, make(chan struct{})
}

func (r *replica) heal() {
	r.conns.mu.Lock()
	defer r.conns.mu.Unlock()
	if r.isolated = false; r.conns.thawed != nil {
		close(r.conns.thawed)
		r.conns.thawed = nil
	}
}
