package main

import (
	"context"
	"fmt"
	"io"

	"tourniquet/lambda/drill"
	"tourniquet/lambda/simvpc"
)

type simulateCmd struct {
	World  string `arg:"" help:"File with the world to serve."`
	Listen string `default:"127.0.0.1:4510" help:"Address to listen on; loopback only."`
}

// Run serves the world until the command is interrupted, and then prints it as
// the clients left it.
func (c *simulateCmd) Run(ctx context.Context, out io.Writer) error {
	w, err := drill.ReadWorld(c.World)
	if err != nil {
		return err
	}
	after, err := simvpc.Serve(ctx, w, c.Listen, out)
	if after != nil {
		fmt.Fprint(out, after)
	}
	return err
}
