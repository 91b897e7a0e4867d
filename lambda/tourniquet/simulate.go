package main

import (
	"context"
	"fmt"
	"io"

	"tourniquet/lambda/drill"
	"tourniquet/lambda/simvpc"
	"tourniquet/lambda/simvpc/world"
)

type simulateCmd struct {
	World  string `arg:"" optional:"" help:"File with the world to serve. Without it: an empty one."`
	Listen string `default:"127.0.0.1:4510" help:"Address to listen on; loopback only."`
}

// Run serves the world until the command is interrupted, and then prints it as
// the clients left it.
func (c *simulateCmd) Run(ctx context.Context, out io.Writer) error {
	w, err := readWorld(c.World)
	if err != nil {
		return err
	}
	after, err := simvpc.Serve(ctx, w, c.Listen, out)
	if after != nil {
		fmt.Fprint(out, after)
	}
	return err
}

// readWorld reads the world of a file; without one, it is empty.
func readWorld(file string) (*world.World, error) {
	if file == "" {
		return simvpc.ParseWorld("")
	}
	return drill.ReadWorld(file)
}
