package dns

import (
	"context"
	"fmt"
	"net"
)

// mostQuery is how long a query may be, with room for options that are too long, so
// that it can be said. Of a longer datagram the end is missing, which is no query.
const mostQuery = 8192

// serveUDP answers one datagram after the other. Nothing in it allocates.
func (s *Server) serveUDP(ctx context.Context, socket *net.UDPConn) error {
	in, room, q := make([]byte, mostQuery), make([]byte, 0, mostDatagram), &query{}
	for {
		length, from, err := socket.ReadFromUDPAddrPort(in)
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("read DNS queries: %w", err)
		}
		out, result := s.answer(room, in[:length], q, false)
		if len(out) == 0 {
			continue
		}
		admitted := s.admits(from.Addr())
		if !admitted {
			out = s.slip(out, q)
		}
		if len(out) == 0 {
			continue
		}
		switch _, err := socket.WriteToUDPAddrPort(out, from); {
		case err != nil:
			// Who asked may be gone, or have invented an address that leads nowhere.
			s.counts.dropped[dropWrite].Add(1)
		case admitted:
			s.counts.answered(false, q, result, out)
		}
	}
}
