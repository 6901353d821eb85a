//go:build bench

package names

import (
	"encoding/binary"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Of each server so many queries are under way at a time: over UDP on few sockets, over
// TCP one on each connection.
const (
	sockets     = 4
	inFlight    = 16
	connections = 16
)

// saturate asks for as long as window and returns how many answers came in a second. What
// is lost is asked again.
func saturate(b *testing.B, address, network string, packed []byte, window time.Duration) float64 {
	b.Helper()
	var group sync.WaitGroup
	var count atomic.Int64
	count0, deadline := time.Now(), time.Now().Add(window)
	work, workers := flood, sockets
	if network == "tcp" {
		work, workers = converse, connections
	}
	failures := make(chan error, workers)
	for range workers {
		group.Go(func() {
			answers, err := work(address, packed, deadline)
			count.Add(answers)
			failures <- err
		})
	}
	group.Wait()
	took := time.Since(count0).Seconds()
	for range workers {
		if err := <-failures; err != nil {
			b.Fatalf("ask %s: %v", address, err)
		}
	}
	return float64(count.Load()) / took
}

// lossAfter is when a datagram is taken to be lost.
const lossAfter = 200 * time.Millisecond

// flood keeps inFlight queries under way on one socket.
func flood(address string, packed []byte, deadline time.Time) (int64, error) {
	socket, err := net.Dial("udp", address)
	if err != nil {
		return 0, err
	}
	defer socket.Close()
	out, in, answers := append([]byte(nil), packed...), make([]byte, 4096), int64(0)
	fill := func() error {
		for range inFlight {
			if _, err := socket.Write(out); err != nil {
				return err
			}
		}
		return nil
	}
	if err := fill(); err != nil {
		return 0, err
	}
	for turn := 0; ; turn++ {
		// A clock that is looked at with each answer costs as much as a small one.
		if turn%32 == 0 {
			now := time.Now()
			if !now.Before(deadline) {
				return answers, nil
			}
			if err := socket.SetReadDeadline(now.Add(lossAfter)); err != nil {
				return 0, err
			}
		}
		length, err := socket.Read(in)
		if isTimeout(err) {
			if err := fill(); err != nil {
				return 0, err
			}
			turn = -1
			continue
		}
		if err != nil || length < 12 {
			return 0, fmt.Errorf("%d bytes: %w", length, err)
		}
		answers++
		if _, err := socket.Write(out); err != nil {
			return 0, err
		}
	}
}

func isTimeout(err error) bool {
	timeout, is := err.(net.Error)
	return is && timeout.Timeout()
}

// converse asks one query after the other on a connection.
func converse(address string, packed []byte, deadline time.Time) (int64, error) {
	connection, err := net.Dial("tcp", address)
	if err != nil {
		return 0, err
	}
	defer connection.Close()
	room, answers := make([]byte, 65536), int64(0)
	for time.Now().Before(deadline) {
		if _, err := exchange(connection, "tcp", packed, room); err != nil {
			return 0, err
		}
		answers++
	}
	return answers, nil
}

// pace asks at a fixed rate over UDP, whether answers come or not, and returns how long
// each took from the moment at which it was to be sent. One that never came took forever.
func pace(b *testing.B, address string, packed []byte, rate int, window time.Duration) []time.Duration {
	b.Helper()
	socket, err := net.Dial("udp", address)
	if err != nil {
		b.Fatal(err)
	}
	defer socket.Close()
	total := int(window.Seconds() * float64(rate))
	due, took := make([]time.Time, total), make([]time.Duration, total)
	begin := time.Now().Add(10 * time.Millisecond)
	for i := range due {
		due[i], took[i] = begin.Add(time.Duration(i)*time.Second/time.Duration(rate)), time.Hour
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		in := make([]byte, 4096)
		for range due {
			_ = socket.SetReadDeadline(due[total-1].Add(5 * time.Second))
			length, err := socket.Read(in)
			if err != nil || length < 12 {
				return
			}
			took[binary.BigEndian.Uint16(in)] = time.Since(due[binary.BigEndian.Uint16(in)])
		}
	}()
	out := append([]byte(nil), packed...)
	for i := range due {
		if wait := time.Until(due[i]); wait > 0 {
			time.Sleep(wait)
		}
		binary.BigEndian.PutUint16(out, uint16(i))
		if _, err := socket.Write(out); err != nil {
			b.Fatal(err)
		}
	}
	<-done
	return took
}
