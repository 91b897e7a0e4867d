package simvpc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"time"

	"tourniquet/lambda/simvpc/world"
)

// A Cleaner runs functions when its scope ends; testing.TB is one.
type Cleaner interface{ Cleanup(func()) }

// Start serves a copy of the world on a free port of 127.0.0.1 until the test
// ends. It panics when it can't listen, as httptest does.
func Start(t Cleaner, w *world.World, opts Options) *Server {
	s := New(w, opts)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(fmt.Sprintf("simvpc: %s", err))
	}
	s.URL = "http://" + l.Addr().String()
	server := s.server(nil)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(l) // ends with ErrServerClosed
	}()
	t.Cleanup(func() {
		_ = server.Close() // the listener is ours alone
		<-done
	})
	return s
}

func (s *Server) server(errs io.Writer) *http.Server {
	if errs == nil {
		errs = io.Discard // a client that hangs up is no news
	}
	return &http.Server{
		Handler:           s,
		ReadHeaderTimeout: 10 * time.Second,
		ErrorLog:          log.New(errs, "simvpc: ", 0),
	}
}

// Serve serves a copy of the world on a loopback address until ctx ends, and
// returns the world as it is then. It writes the URL to out once it listens.
func Serve(ctx context.Context, w *world.World, listen string, out io.Writer) (*world.World, error) {
	if err := loopback(listen); err != nil {
		return nil, err
	}
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp", listen)
	if err != nil {
		return nil, fmt.Errorf("listening on %s: %w", listen, err)
	}
	s := New(w, Options{})
	s.URL = "http://" + l.Addr().String()
	fmt.Fprintln(out, s.URL)
	server := s.server(out)
	stop := context.AfterFunc(ctx, func() {
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		if server.Shutdown(grace) != nil {
			_ = server.Close() // calls under way had their second
		}
	})
	defer stop()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return s.World(), fmt.Errorf("serving on %s: %w", listen, err)
	}
	return s.World(), nil
}

// loopback refuses addresses that others could reach: nothing authenticates a call.
func loopback(listen string) error {
	host, _, err := net.SplitHostPort(listen)
	if err != nil {
		return fmt.Errorf("listen address %q: want 127.0.0.1:PORT: %w", listen, err)
	}
	if host == "localhost" {
		return nil
	}
	if a, err := netip.ParseAddr(host); err != nil || !a.IsLoopback() {
		return fmt.Errorf("listen address %q: only loopback addresses, such as 127.0.0.1:PORT: calls are not authenticated", listen)
	}
	return nil
}
