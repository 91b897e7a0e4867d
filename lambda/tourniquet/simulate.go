package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"tourniquet/lambda/simvpc"
	"tourniquet/lambda/simvpc/world"
)

type simulateCmd struct {
	World  string `arg:"" help:"File with the world to serve."`
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

func readWorld(file string) (*world.World, error) {
	text, err := os.ReadFile(file) //nolint:gosec // the file that the user names
	if err != nil {
		return nil, err
	}
	w, err := simvpc.ParseWorld(string(text))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return w, nil
}
